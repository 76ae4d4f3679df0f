using FsCheck;
using FsCheck.Fluent;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Tests.ProcessGroups;
using Linformer.Training.Tests.Trainers;

namespace Linformer.Training.Tests;

[Collection(nameof(Alone))]
public class StateExchangeTests
{
    private const int Rows = 3;

    [Fact]
    public void The_root_is_the_lowest_rank_with_the_furthest_step_of_the_newest_generation()
    {
        var offer = from holds in Gen.Elements(true, false)
                    from generation in Gen.Choose(1, 3)
                    from step in Gen.Choose(0, 3)
                    select new StateOffer(holds, generation, step, Stop: false);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(2000), Prop.ForAll(Gen.ArrayOf(offer).ToArbitrary(), offers =>
        {
            var root = StateExchange.ChooseRoot(offers);
            if (root is not { } chosen)
            {
                offers.ShouldAllBe(other => !other.Holds);
                return;
            }

            offers[chosen].Holds.ShouldBeTrue();
            var receivers = StateExchange.Receivers(offers, chosen);
            receivers.ShouldNotContain(chosen);
            for (var rank = 0; rank < offers.Length; rank++)
            {
                var (mine, best) = (offers[rank], offers[chosen]);
                var further = mine.Holds && (mine.Generation > best.Generation || (mine.Generation == best.Generation && mine.Step > best.Step));
                further.ShouldBeFalse();
                var same = mine.Holds && (mine.Generation, mine.Step) == (best.Generation, best.Step);
                (same && rank < chosen).ShouldBeFalse();
                receivers.Contains(rank).ShouldBe(!same);
            }
        }));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void All_ranks_get_what_the_root_has_and_its_note(int worldSize)
    {
        var states = new int[worldSize][];
        var trainers = new TrainerState[worldSize];
        Ranks.Run(worldSize, group =>
        {
            // The last rank has done most; the one before it has done as much.
            using var fixture = Trained(group.Rank >= worldSize - 2 ? 25 : group.Rank);
            var offers = StateExchange.Gather(group, new StateOffer(group.Rank > 0, 7, fixture.Trainer.Step, Stop: group.Rank == 1));
            offers.Select(offer => offer.Stop).ShouldBe(Enumerable.Range(0, worldSize).Select(rank => rank == 1));
            var root = StateExchange.ChooseRoot(offers).ShouldNotBeNull();
            root.ShouldBe(Math.Max(1, worldSize - 2));
            var receivers = StateExchange.Receivers(offers, root);
            byte[] note = group.Rank == root ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : [7];
            var received = StateExchange.Transfer(fixture.Trainer, group, root, receivers, note);
            received.ShouldBe(receivers.Contains(group.Rank) ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : []);
            fixture.Trainer.Join(group);
            fixture.Trainer.TrainStep();
            (states[group.Rank], trainers[group.Rank]) = (Bits.StateOf(fixture.Trainer), fixture.Trainer.State);
        });
        states.ShouldAllBe(state => state.SequenceEqual(states[0]));
        trainers.ShouldAllBe(state => state == trainers[0]);
        trainers[0].Step.ShouldBe(26);
        trainers[0].World.Segments.ShouldBe([new WorldSegment(1, 1), new WorldSegment(26, worldSize)]);
    }

    [Fact]
    public void When_all_hold_the_same_nothing_is_sent() => Ranks.Run(worldSize: 2, group =>
    {
        using var fixture = Trained(3);
        using var counting = new DisturbedGroup(group);
        var bits = Bits.StateOf(fixture.Trainer);
        var offers = StateExchange.Gather(counting, new StateOffer(true, 1, 3, Stop: false));
        var receivers = StateExchange.Receivers(offers, StateExchange.ChooseRoot(offers)!.Value);
        StateExchange.Transfer(fixture.Trainer, counting, 0, receivers, [1]).ShouldBeEmpty();
        counting.Broadcasts.ShouldBe(0);
        Bits.StateOf(fixture.Trainer).ShouldBe(bits);
    });

    [Fact]
    public void When_nobody_holds_anything_there_is_no_root() => Ranks.Run(worldSize: 2, group =>
        StateExchange.ChooseRoot(StateExchange.Gather(group, new StateOffer(false, 0, 0, Stop: false))).ShouldBeNull());

    [Fact]
    public void A_state_of_many_chunks_arrives_whole() => Ranks.Run(worldSize: 3, group =>
    {
        using var large = new LargeState(3_500_000, seed: group.Rank == 1 ? 5 : group.Rank + 10);
        using var expected = new LargeState(3_500_000, seed: 5);
        StateExchange.Transfer(large.Trainer, group, root: 1, receivers: [2], []);
        large.Hash().ShouldBe((group.Rank == 0 ? large : expected).Hash());
        if (group.Rank == 0)
        {
            using var before = new LargeState(3_500_000, seed: 10);
            large.Hash().ShouldBe(before.Hash());
        }
    });

    // The header's length and content, the chunks of values and both moments, the hash's length and content.
    public static TheoryData<int, int> Breaks()
    {
        var data = new TheoryData<int, int>();
        for (var broadcast = 1; broadcast <= 7; broadcast++)
        {
            data.Add(0, broadcast);
            data.Add(1, broadcast);
            data.Add(2, broadcast);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Breaks))]
    public void A_rank_that_is_lost_meanwhile_leaves_all_as_they_were(int lost, int broadcast) => LeavesAllAsTheyWere(
        group => group.Rank == lost ? new DisturbedGroup(group) { LostAt = broadcast } : new DisturbedGroup(group),
        error => error is ProcessGroupException);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(7)]
    public void What_arrives_damaged_at_one_rank_leaves_all_as_they_were(int broadcast) => LeavesAllAsTheyWere(
        group => group.Rank == 2 ? new DisturbedGroup(group) { DamagedAt = broadcast } : new DisturbedGroup(group),
        error => error is StateExchangeException e && e.Message.Contains("not the one that rank 0 sent", StringComparison.Ordinal));

    // Rank 0 gives, the others receive.
    private static void LeavesAllAsTheyWere(Func<GlooProcessGroup, DisturbedGroup> disturb, Predicate<Exception> expected)
    {
        var errors = Ranks.Try(3, group =>
        {
            using var fixture = Trained(group.Rank == 0 ? 9 : group.Rank);
            var (bits, state) = (Bits.StateOf(fixture.Trainer), fixture.Trainer.State);
            using var disturbed = disturb(group);
            try
            {
                StateExchange.Transfer(fixture.Trainer, disturbed, root: 0, receivers: [1, 2], note: []);
            }
            catch (ProcessGroupException)
            {
                // What a rank does whose group has failed.
                group.Abort();
                throw;
            }
            finally
            {
                Bits.StateOf(fixture.Trainer).ShouldBe(bits);
                fixture.Trainer.State.ShouldBe(state);
            }
        });
        errors.ShouldAllBe(error => error != null && expected(error), string.Join('\n', errors.Select(error => error?.Message)));
    }

    private static TrainerFixture Trained(int steps)
    {
        var fixture = new TrainerFixture();
        fixture.Task.Rows = _ => Rows;
        for (var step = 0; step < steps; step++)
        {
            fixture.Trainer.TrainStep();
        }

        return fixture;
    }
}
