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

        // Two of another lineage are newer; the third is what this one would go on from.
        _store.Retain(2, new CheckpointLineage(0, [])).Select(id => id.ToString()).ShouldBe(["l0000-g0001-s00000010", "l0000-g0001-s00000020"]);
        Newest(new CheckpointLineage(0, [])).ShouldBe("l0000-g0002-s00000030");
        _store.Retain(1, new CheckpointLineage(0, [])).Select(id => id.ToString()).ShouldBe(["l0001-g0003-s00000015"]);
    }

    private string? Newest(CheckpointLineage lineage, Action? advanced = null) =>
        _store.FindNewestValid(lineage, damage => throw new InvalidOperationException(damage.ToString()), advanced ?? (() => { }))?.Id.ToString();
}
