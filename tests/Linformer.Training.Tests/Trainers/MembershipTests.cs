using Linformer.Training.ProcessGroups;
using Linformer.Training.Tests.ProcessGroups;
using TorchSharp;

namespace Linformer.Training.Tests.Trainers;

/// <summary>A trainer from group to group.</summary>
[Collection(nameof(Alone))]
public class MembershipTests
{
    [Fact]
    public void Without_a_group_nothing_is_trained()
    {
        using var task = new LinearTask();
        using var trainer = new Trainer(task, TrainerFixture.Default);
        Should.Throw<InvalidOperationException>(() => trainer.TrainStep()).Message.ShouldContain("no process group");
        Should.Throw<InvalidOperationException>(() => trainer.Evaluate());
        trainer.Join(new SingleProcessGroup());
        trainer.TrainStep().Step.ShouldBe(1);
        trainer.Leave();
        Should.Throw<InvalidOperationException>(() => trainer.TrainStep());
        trainer.Step.ShouldBe(1);
    }

    [Fact]
    public void A_trainer_goes_on_in_another_group_as_if_it_had_always_been_there()
    {
        using var alone = new TrainerFixture();
        var expected = Enumerable.Range(0, 12).Select(_ => alone.Trainer.TrainStep()).ToArray();
        using var moved = new TrainerFixture();
        foreach (var (ranks, steps) in ((int, int)[])[(1, 5), (1, 4), (1, 3)])
        {
            using var group = new SingleProcessGroup(ranks);
            moved.Trainer.Join(group);
            for (var step = 0; step < steps; step++)
            {
                moved.Trainer.TrainStep().ShouldBe(expected[moved.Trainer.Step - 1]);
            }
        }

        Bits.StateOf(moved.Trainer).ShouldBe(Bits.StateOf(alone.Trainer));
        moved.Trainer.State.ShouldBe(alone.Trainer.State);
    }

    [Fact]
    public void A_request_to_leave_is_seen_by_all_at_the_same_step_and_ends_with_the_group() => Ranks.Run(worldSize: 3, group =>
    {
        using var fixture = new TrainerFixture(group: group);
        fixture.Trainer.TrainStep().LeaveRequested.ShouldBeFalse();
        if (group.Rank == 1)
        {
            fixture.Trainer.RequestLeave();
        }

        var result = fixture.Trainer.TrainStep();
        (result.LeaveRequested, result.StopRequested).ShouldBe((true, false));
        fixture.Trainer.Join(group);
        fixture.Trainer.TrainStep().LeaveRequested.ShouldBeFalse();
    });

    [Fact]
    public void The_history_says_how_many_ranks_took_each_step()
    {
        var histories = new WorldHistory[3];
        Ranks.Run(worldSize: 3, group =>
        {
            using var fixture = new TrainerFixture();
            fixture.Trainer.SkippedSteps = new HashSet<long> { 2, 5 };
            for (var step = 1; step <= 6; step++)
            {
                fixture.Trainer.Join(step <= 3 ? new SingleProcessGroup() : group);
                fixture.Trainer.TrainStep();
            }

            histories[group.Rank] = fixture.Trainer.State.World;
        });
        histories.ShouldAllBe(history => history.Equals(histories[0]));
        histories[0].Segments.ShouldBe(
            [new WorldSegment(1, 1), new WorldSegment(2, 0), new WorldSegment(3, 1), new WorldSegment(4, 3), new WorldSegment(5, 0), new WorldSegment(6, 3)]);
        histories[0].Steps.ShouldBe(6);
    }

    [Fact]
    public void A_step_that_is_left_out_counts_and_computes_nothing()
    {
        using var fixture = new TrainerFixture();
        fixture.Trainer.TrainStep();
        var (bits, state) = (Bits.StateOf(fixture.Trainer), fixture.Trainer.State);
        var computed = new List<long>();
        fixture.Task.OnTraining = computed.Add;
        fixture.Trainer.SkippedSteps = new HashSet<long> { 2 };
        using var failed = new SingleProcessGroup();
        failed.Abort();
        fixture.Trainer.Join(failed);
        var result = fixture.Trainer.TrainStep();
        (result.Step, result.Skipped, result.Tokens, result.Loss).ShouldBe((2, "it is left out", 0, double.NaN));
        computed.ShouldBeEmpty();
        Bits.StateOf(fixture.Trainer).ShouldBe(bits);
        fixture.Trainer.State.ShouldBe(state with { Step = 2, World = state.World.Add(0) });

        // The samples of the next step are its own: nobody gets those of the step that was left out.
        fixture.Trainer.Join(new SingleProcessGroup());
        fixture.Trainer.TrainStep().Step.ShouldBe(3);
        computed.ShouldBe([16L, 18, 20, 22]);
    }

    [Fact]
    public void A_bad_loss_that_asks_to_go_back_leaves_a_trainer_that_can_be_used()
    {
        using var fixture = new TrainerFixture(TrainerFixture.Default with { OnBadLoss = BadLossRule.Back });
        fixture.Trainer.TrainStep();
        var (bits, state) = (Bits.StateOf(fixture.Trainer), fixture.Trainer.State);
        fixture.Task.Factor = _ => float.NaN;
        var error = Should.Throw<BadLossException>(() => fixture.Trainer.TrainStep());
        (error.Step, error.Reason).ShouldBe((2, "the loss is NaN"));
        Bits.StateOf(fixture.Trainer).ShouldBe(bits);
        fixture.Trainer.State.ShouldBe(state);

        fixture.Task.Factor = _ => 1;
        fixture.Trainer.SkippedSteps = new HashSet<long> { 2 };
        fixture.Trainer.TrainStep().Skipped.ShouldNotBeNull();
        fixture.Trainer.TrainStep().Skipped.ShouldBeNull();
        Bits.FloatsOf(fixture.Trainer.Parameters.Values).ShouldAllBe(value => float.IsFinite(value));
    }

    [Fact]
    public void A_step_ends_at_a_micro_batch_when_its_group_is_of_no_more_use()
    {
        using var group = new SingleProcessGroup();
        using var fixture = new TrainerFixture(group: group);
        var (done, bits) = (0, Bits.StateOf(fixture.Trainer));
        fixture.Trainer.Advanced = () =>
        {
            if (++done == 2)
            {
                group.Abort();
            }
        };
        Should.Throw<ProcessGroupAbortedException>(() => fixture.Trainer.TrainStep());
        done.ShouldBe(2, "of four");
        Bits.StateOf(fixture.Trainer).ShouldBe(bits);
        fixture.Trainer.Step.ShouldBe(0);
    }

    [Fact]
    public void Joining_over_and_over_keeps_no_tensors()
    {
        using var first = new TrainerFixture();
        using var second = new TrainerFixture();
        var generation = 0;
        void Join(int times)
        {
            for (var i = 0; i < times; i++)
            {
                generation++;
                var store = new InMemoryRendezvousStore();
                Ranks.Parallel(2, rank =>
                {
                    var trainer = rank == 0 ? first.Trainer : second.Trainer;
                    using var group = new GlooProcessGroup(rank, 2, generation, store);
                    // The second comes every time as one that holds nothing.
                    StateExchange.Gather(group, new StateOffer(rank == 0, 0, trainer.Step, Stop: false)).Count.ShouldBe(2);
                    StateExchange.Transfer(trainer, group, root: 0, receivers: [1], note: [1, 2, 3]);
                    trainer.Join(group);
                    trainer.TrainStep();
                    trainer.Leave();
                }).ShouldAllBe(error => error == null);
            }
        }

        Join(20);
        // What earlier tests have dropped must not go meanwhile.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        var before = torch.Tensor.TotalCount;
        Join(200);
        torch.Tensor.TotalCount.ShouldBe(before);
        (first.Trainer.Step, second.Trainer.Step).ShouldBe((220, 220));
    }
}
