using Linformer.Training.Optimizers;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Tests.ProcessGroups;

namespace Linformer.Training.Tests.Trainers;

/// <summary>Rounds of local steps, compared with <see cref="LocalStepsReference"/>, which computes them in float64 without torch.</summary>
[Collection(nameof(Alone))]
public class LocalStepsTests
{
    private static readonly TrainingOptions Rounds = TrainerFixture.Default with
    {
        Steps = 14,
        LocalSteps = 4,
        ClipNorm = 1,
        LearningRate = new LearningRateSchedule(ScheduleShape.Linear, Peak: 0.05, WarmupSteps: 3, Steps: 14),
        Optimizer = new AdamWOptions(0.9, 0.98, 1e-6, WeightDecay: 0.1),
        Outer = new OuterOptimizerOptions(LearningRate: 0.7, Momentum: 0.9),
    };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Rounds_are_those_of_the_reference_and_the_same_on_all_ranks(int worldSize)
    {
        using var reference = new LocalStepsReference(Rounds, worldSize);
        var expected = new List<(long Step, double Loss, double[] Values)>();
        while (reference.Step < Rounds.Steps)
        {
            expected.Add((reference.Round(out var loss), loss, reference.Values));
        }

        expected.Select(round => round.Step).ShouldBe([4, 8, 12, 14]);
        var states = new int[worldSize][];
        Ranks.Run(worldSize, group =>
        {
            using var fixture = new TrainerFixture(Rounds, group);
            foreach (var round in expected)
            {
                var result = fixture.Trainer.TrainStep();
                result.Step.ShouldBe(round.Step);
                result.Loss.ShouldBe(round.Loss, 1e-4 * round.Loss);
                result.Skipped.ShouldBeNull();
                TrainerFixture.ShouldBeClose(fixture.Values, round.Values, 1e-4, $"step {round.Step}");
            }

            fixture.Trainer.State.Updates.ShouldBe(14);
            fixture.Trainer.State.World.Segments.ShouldBe([new WorldSegment(1, worldSize)]);
            lock (states)
            {
                // The inner moments are each rank's own.
                states[group.Rank] = [.. Bits.BitsOf(fixture.Trainer.Parameters.Values), .. Bits.BitsOf(fixture.Trainer.Outer!.Momentum)];
            }
        });
        states.ShouldAllBe(state => state.SequenceEqual(states[0]));
    }

    [Fact]
    public void With_a_rate_of_1_and_no_momentum_one_rank_does_what_it_does_without_rounds()
    {
        using var plain = new TrainerFixture(Rounds with { LocalSteps = 1 });
        using var rounds = new TrainerFixture(Rounds with { Outer = new OuterOptimizerOptions(LearningRate: 1, Momentum: 0) });
        for (var step = 1; step <= 12; step++)
        {
            var tokens = plain.Trainer.TrainStep().Tokens;
            if (step % 4 == 0)
            {
                rounds.Trainer.TrainStep().Tokens.ShouldBe(4 * tokens);
                TrainerFixture.ShouldBeClose(rounds.Values, plain.Values, 1e-5, $"step {step}");
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public void A_rank_that_is_lost_in_a_round_takes_the_others_back_to_its_beginning(int lostAtMicroBatch)
    {
        int[]? before = null;
        var after = Array.Empty<int>();
        long step = 0;
        using var survivor = new TrainerFixture(Rounds);
        Ranks.Try(2, group =>
        {
            using var other = new TrainerFixture(Rounds);
            var fixture = group.Rank == 0 ? survivor : other;
            fixture.Trainer.Join(group);
            fixture.Trainer.TrainStep();
            if (group.Rank == 0)
            {
                before = StateOf(fixture.Trainer);
            }
            else
            {
                var seen = 0;
                fixture.Task.OnTraining = _ =>
                {
                    if (++seen == lostAtMicroBatch)
                    {
                        group.Abort(new InvalidOperationException("killed"));
                    }
                };
            }

            try
            {
                fixture.Trainer.TrainStep();
            }
            finally
            {
                if (group.Rank == 0)
                {
                    (after, step) = (StateOf(fixture.Trainer), fixture.Trainer.Step);
                }
            }
        }).ShouldAllBe(error => error is ProcessGroupException);

        step.ShouldBe(4);
        after.ShouldBe(before!);
        // It goes on as one that was never disturbed.
        survivor.Trainer.Leave();
        survivor.Trainer.Join(new SingleProcessGroup());
        survivor.Trainer.TrainStep().Step.ShouldBe(8);
        survivor.Trainer.State.World.Segments.ShouldBe([new WorldSegment(1, 2), new WorldSegment(5, 1)]);
    }

    [Fact]
    public void A_bad_round_is_taken_back_and_skipped_or_is_an_error()
    {
        foreach (var rule in (BadLossRule[])[BadLossRule.Skip, BadLossRule.Stop, BadLossRule.Back])
        {
            using var fixture = new TrainerFixture(Rounds with { OnBadLoss = rule });
            fixture.Trainer.TrainStep();
            var before = StateOf(fixture.Trainer);
            fixture.Task.Factor = first => first / 8 == 5 ? float.NaN : 1;

            if (rule == BadLossRule.Skip)
            {
                var result = fixture.Trainer.TrainStep();
                (result.Step, result.Skipped).ShouldBe((8, "the loss is NaN"));
                fixture.Trainer.State.Updates.ShouldBe(4);
            }
            else
            {
                Should.Throw<BadLossException>(() => fixture.Trainer.TrainStep()).Step.ShouldBe(5);
                fixture.Trainer.Step.ShouldBe(4);
            }

            StateOf(fixture.Trainer).ShouldBe(before);
        }
    }

    [Fact]
    public void A_round_with_a_step_that_is_left_out_is_left_out()
    {
        using var fixture = new TrainerFixture(Rounds);
        fixture.Trainer.SkippedSteps = new HashSet<long> { 6 };
        fixture.Trainer.TrainStep();
        var before = StateOf(fixture.Trainer);
        var computed = false;
        fixture.Task.OnTraining = _ => computed = true;

        fixture.Trainer.TrainStep().Step.ShouldBe(8);

        computed.ShouldBeFalse();
        StateOf(fixture.Trainer).ShouldBe(before);
        fixture.Trainer.TrainStep().Step.ShouldBe(12);
        fixture.Trainer.State.World.Segments.ShouldBe([new WorldSegment(1, 1), new WorldSegment(5, 0), new WorldSegment(9, 1)]);
    }

    [Fact]
    public void Ranks_that_join_get_the_outer_momentum_too()
    {
        var momentum = new int[2][];
        Ranks.Run(2, group =>
        {
            using var fixture = new TrainerFixture(Rounds);
            if (group.Rank == 0)
            {
                fixture.Trainer.TrainStep();
            }

            StateExchange.Transfer(fixture.Trainer, group, root: 0, receivers: [1], note: []);
            momentum[group.Rank] = StateOf(fixture.Trainer);
            fixture.Trainer.Step.ShouldBe(4);
        });
        momentum[1].ShouldBe(momentum[0]);
        momentum[0].ShouldContain(bits => bits != 0);
    }

    [Theory]
    [InlineData(1, 0, 1, 0)]
    [InlineData(1, 7, 8, 7)]
    [InlineData(4, 0, 4, 0)]
    [InlineData(4, 4, 8, 4)]
    [InlineData(4, 12, 14, 12)]
    // A job that was made longer goes on from the end that it had.
    [InlineData(4, 10, 12, 8)]
    public void Rounds_end_at_multiples_and_at_the_end(int localSteps, long step, long next, long beforeNext)
    {
        var options = Rounds with { LocalSteps = localSteps };
        options.StepAfter(step).ShouldBe(next);
        options.StepBefore(next).ShouldBe(beforeNext);
    }

    private static int[] StateOf(Trainer trainer) => [.. Bits.StateOf(trainer), .. Bits.BitsOf(trainer.Outer!.Momentum)];
}
