using FsCheck;
using FsCheck.Fluent;
using Linformer.Training.Checkpoints;

namespace Linformer.Training.Tests.Checkpoints;

public sealed class CheckpointLineageTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CheckpointStore _store;

    public CheckpointLineageTests() => _store = new CheckpointStore(_folder.Root);

    public void Dispose() => _folder.Dispose();

    // A training that goes back again and again, of which every step that is still part of it is known by its lineage.
    [Fact]
    public void A_lineage_goes_on_from_the_steps_that_are_still_part_of_it()
    {
        var goBack = from further in Gen.Choose(0, 5)
                     from kept in Gen.Choose(0, 30)
                     select (further, kept);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), Prop.ForAll(Gen.ArrayOf(goBack).ToArbitrary(), changes =>
        {
            // The lineage of each step that the state consists of; all checkpoints that were ever written.
            var (state, written, limits) = (new List<int>(), new List<(int Lineage, long Step, bool IsPart)>(), new List<long>());
            for (var lineage = 0; lineage <= changes.Length; lineage++)
            {
                var further = lineage < changes.Length ? changes[lineage].further : 3;
                for (var i = 0; i < further; i++)
                {
                    state.Add(lineage);
                    written.Add((lineage, state.Count, true));
                }

                if (lineage < changes.Length)
                {
                    var kept = Math.Min(changes[lineage].kept, state.Count);
                    limits.Add(kept);
                    state.RemoveRange(kept, state.Count - kept);
                    written = [.. written.Select(one => one with { IsPart = one.IsPart && one.Step <= kept })];
                }
            }

            var rule = new CheckpointLineage(changes.Length, limits);
            foreach (var (lineage, step, isPart) in written)
            {
                rule.Holds(new CheckpointId(lineage, 1, step)).ShouldBe(isPart);
            }

            rule.Holds(new CheckpointId(changes.Length + 1, 1, 0)).ShouldBeFalse();
        }));
    }

    [Fact]
    public void Without_limits_no_lineage_before_holds()
    {
        var rule = new CheckpointLineage(2, [10]);
        rule.Holds(new CheckpointId(2, 1, 500)).ShouldBeTrue();
        rule.Holds(new CheckpointId(1, 1, 1)).ShouldBeFalse();
        rule.Holds(new CheckpointId(0, 1, 10)).ShouldBeTrue();
        rule.Holds(new CheckpointId(0, 1, 11)).ShouldBeFalse();
    }

    [Fact]
    public async Task The_newest_one_of_the_lineage_is_found_and_never_deleted()
    {
        foreach (var (lineage, generation, step) in ((int, int, long)[])[(0, 1, 10), (0, 1, 20), (0, 2, 30), (1, 3, 15), (2, 4, 7)])
        {
            await _store.WriteAsync(
                new CheckpointId(lineage, generation, step), new CheckpointMetadata(0, 1, "{}"), [new CheckpointFile("m", stream => stream.Write([1, 2, 3]))]);
        }

        var read = 0;
        Newest(new CheckpointLineage(2, [12, 30]), () => read++).ShouldBe("l0002-g0004-s00000007");
        read.ShouldBe(1);
        Newest(new CheckpointLineage(1, [12])).ShouldBe("l0001-g0003-s00000015");
        Newest(new CheckpointLineage(3, [12, 14, 6])).ShouldBe(null);
        Newest(new CheckpointLineage(3, [12, 14, 12])).ShouldBe("l0002-g0004-s00000007");
        Newest(new CheckpointLineage(0, [])).ShouldBe("l0000-g0002-s00000030");

        // Two of later lineages are newer: they do not count for this one, which has no say in them.
        _store.Retain(2, new CheckpointLineage(0, [])).Select(id => id.ToString()).ShouldBe(["l0000-g0001-s00000010"]);
        _store.Retain(1, new CheckpointLineage(0, [])).Select(id => id.ToString()).ShouldBe(["l0000-g0001-s00000020"]);
        Newest(new CheckpointLineage(0, [])).ShouldBe("l0000-g0002-s00000030");
    }

    [Fact]
    public async Task A_chosen_checkpoint_comes_before_newer_ones_of_an_earlier_lineage_and_is_never_deleted()
    {
        foreach (var (lineage, generation, step) in ((int, int, long)[])[(0, 1, 10), (0, 1, 20), (0, 2, 15), (0, 2, 30)])
        {
            await WriteAsync(lineage, generation, step);
        }

        var chosen = new CheckpointLineage(1, [20], [new CheckpointId(0, 1, 20)]);
        Newest(new CheckpointLineage(1, [20])).ShouldBe("l0000-g0002-s00000015");
        Newest(chosen).ShouldBe("l0000-g0001-s00000020");
        // Those of the lineage itself are further; after it, and before any other, comes what an earlier one began with.
        Newest(new CheckpointLineage(2, [20, 25], [new CheckpointId(0, 1, 20), null])).ShouldBe("l0000-g0001-s00000020");
        _store.Retain(1, chosen).Select(id => id.ToString()).ShouldBe(["l0000-g0002-s00000030", "l0000-g0001-s00000010", "l0000-g0002-s00000015"]);
        await WriteAsync(1, 3, 25);
        Newest(chosen).ShouldBe("l0001-g0003-s00000025");
        // One that is gone is none.
        Newest(new CheckpointLineage(2, [20, 25], [null, new CheckpointId(0, 9, 5)])).ShouldBe("l0001-g0003-s00000025");
    }

    [Fact]
    public async Task What_a_lineage_began_with_stays_until_it_has_enough_of_its_own_and_what_does_not_hold_goes_first()
    {
        foreach (var step in (long[])[100, 200, 300])
        {
            await WriteAsync(0, 1, step);
        }

        var back = new CheckpointLineage(1, [100], [new CheckpointId(0, 1, 100)]);
        await WriteAsync(1, 2, 110);
        _store.Retain(3, back).Select(id => id.ToString()).ShouldBe(["l0000-g0001-s00000200", "l0000-g0001-s00000300"]);
        await WriteAsync(1, 2, 120);
        _store.Retain(3, back).ShouldBeEmpty();
        await WriteAsync(1, 2, 130);
        _store.Retain(3, back).Select(id => id.ToString()).ShouldBe(["l0000-g0001-s00000100"]);
        await WriteAsync(1, 2, 140);
        _store.Retain(3, back).Select(id => id.ToString()).ShouldBe(["l0001-g0002-s00000110"]);
    }

    [Fact]
    public void The_last_choice_is_known_to_all_lineages_after_it()
    {
        CheckpointId first = new(0, 1, 100), second = new(2, 4, 50);
        new CheckpointLineage(0, []).LastChoice.ShouldBeNull();
        new CheckpointLineage(2, [100, 90], [first, null]).LastChoice.ShouldBe(first);
        new CheckpointLineage(3, [100, 90, 50], [first, null, second]).LastChoice.ShouldBe(second);
        new CheckpointLineage(2, [100, 90, 50], [null, null, second]).LastChoice.ShouldBeNull();
    }

    private Task<CheckpointInfo> WriteAsync(int lineage, int generation, long step) => _store.WriteAsync(
        new CheckpointId(lineage, generation, step), new CheckpointMetadata(0, 1, "{}"), [new CheckpointFile("m", stream => stream.Write([1, 2, 3]))]);

    private string? Newest(CheckpointLineage lineage, Action? advanced = null) =>
        _store.FindNewestValid(lineage, damage => throw new InvalidOperationException(damage.ToString()), advanced ?? (() => { }))?.Id.ToString();
}
