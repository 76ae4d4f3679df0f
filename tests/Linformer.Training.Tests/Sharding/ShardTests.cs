using FsCheck;
using FsCheck.Fluent;
using Linformer.Training.Sharding;

namespace Linformer.Training.Tests.Sharding;

public class ShardTests
{
    private static readonly Gen<(long Length, int World)> Cuts =
        from units in Gen.Choose(1, 200)
        from rest in Gen.Choose(0, 15)
        from world in Gen.Choose(1, 20)
        select ((units * 16L) + rest, world);

    [Fact]
    public void Parts_follow_each_other_cover_all_and_are_of_nearly_the_same_length() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(2000),
        Prop.ForAll(Cuts.ToArbitrary(), cut =>
        {
            var parts = Enumerable.Range(0, cut.World).Select(part => Shard.Part(cut.Length, cut.World, part)).ToList();
            parts[0].From.ShouldBe(0);
            parts[^1].End.ShouldBe(cut.Length);
            for (var part = 1; part < parts.Count; part++)
            {
                parts[part].From.ShouldBe(parts[part - 1].End);
                (parts[part].From % 16).ShouldBe(0);
            }

            (parts.Max(part => part.Length) - parts.Min(part => part.Length)).ShouldBeInRange(0, 31);
        }));

    [Fact]
    public void Every_element_is_on_two_ranks_or_on_all_of_fewer_and_the_loss_of_any_rank_leaves_it_on_one() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(200),
        Prop.ForAll(Cuts.ToArbitrary(), cut =>
        {
            var holders = new List<int>[cut.Length];
            for (var rank = 0; rank < cut.World; rank++)
            {
                var ranges = Shard.Of(cut.World, rank).Ranges(cut.Length);
                ranges.ShouldAllBe(range => range.Length > 0);
                foreach (var range in ranges)
                {
                    for (var i = range.From; i < range.End; i++)
                    {
                        (holders[i] ??= []).Add(rank);
                    }
                }
            }

            for (var i = 0L; i < cut.Length; i++)
            {
                // Its part's rank, and the one before.
                var owner = Enumerable.Range(0, cut.World).Single(part => Shard.Part(cut.Length, cut.World, part).Contains(new BufferRange(i, 1)));
                int[] expected = cut.World <= 2 ? [.. Enumerable.Range(0, cut.World)] : [.. new[] { owner, (owner + cut.World - 1) % cut.World }.Order()];
                if (!holders[i].SequenceEqual(expected))
                {
                    throw new InvalidOperationException($"element {i} is on ranks {string.Join(", ", holders[i])}, and should be on {string.Join(", ", expected)}");
                }
            }
        }));

    [Fact]
    public void The_length_of_a_buffer_may_be_any()
    {
        const long Length = 3_000_000_000_000_000;
        var parts = Enumerable.Range(0, 1000).Select(part => Shard.Part(Length, 1000, part)).ToList();
        parts.Sum(part => part.Length).ShouldBe(Length);
        parts.ShouldAllBe(part => part.Length >= Length / 1000 - 16 && part.Length <= Length / 1000 + 16);
    }

    [Fact]
    public void A_rank_that_does_not_exist_holds_nothing_to_ask_for()
    {
        Should.Throw<ArgumentOutOfRangeException>(() => Shard.Of(3, 3));
        Should.Throw<ArgumentOutOfRangeException>(() => Shard.Of(3, -1));
        Should.Throw<ArgumentOutOfRangeException>(() => Shard.Of(0, 0));
        Shard.None.Ranges(100).ShouldBeEmpty();
    }
}
