using Linformer.Data;
using Linformer.Training.Optimizers;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Tests.ProcessGroups;

namespace Linformer.Training.Tests.Trainers;

[Collection(nameof(Alone))]
public class TrainStepTests
{
    [Fact]
    public void Loss_gradient_and_norm_are_those_of_the_closed_form_over_the_whole_global_batch()
    {
        using var fixture = new TrainerFixture();
        for (var step = 1; step <= 5; step++)
        {
            var (loss, gradients) = fixture.ExpectedOfNextStep();
            var result = fixture.Trainer.TrainStep();
            result.Loss.ShouldBe(loss, 1e-5 * loss);
            result.GradientNorm.ShouldBe(TrainerFixture.Norm(gradients), 1e-5 * TrainerFixture.Norm(gradients));
            TrainerFixture.ShouldBeClose(fixture.Gradients, gradients, 1e-5);
            result.ShouldSatisfyAllConditions(
                () => result.Step.ShouldBe(step),
                () => result.Tokens.ShouldBe(8 * LinearTask.TokensPerSample),
                () => result.Skipped.ShouldBeNull(),
                () => result.StopRequested.ShouldBeFalse());
            fixture.Trainer.Step.ShouldBe(step);
            fixture.Trainer.State.Updates.ShouldBe(step);
        }
    }

    // After one update the moments are the gradient and its square, so that it moves by the learning rate along the sign.
    [Fact]
    public void The_first_update_is_the_closed_form_of_AdamW_with_decay_of_the_weight_alone()
    {
        var options = TrainerFixture.Default with
        {
            LearningRate = new LearningRateSchedule(ScheduleShape.Linear, Peak: 0.1, WarmupSteps: 4, Steps: 10),
            Optimizer = new AdamWOptions(0.9, 0.98, 1e-2, WeightDecay: 0.5),
        };
        using var fixture = new TrainerFixture(options);
        var before = fixture.Values;
        var (_, gradients) = fixture.ExpectedOfNextStep();
        fixture.Trainer.TrainStep().LearningRate.ShouldBe(0.025, 1e-12);
        var expected = gradients.Select((g, i) =>
            (before[i] * (i < LinearTask.Width ? 1 - (0.025 * 0.5) : 1)) - (0.025 * g / (Math.Abs(g) + 1e-2)));
        TrainerFixture.ShouldBeClose(fixture.Values, [.. expected], 1e-6);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void Accumulating_over_micro_batches_is_one_large_micro_batch(int microBatch)
    {
        using var whole = new TrainerFixture(TrainerFixture.Default with { MicroBatch = 8, ClipNorm = 1 });
        using var cut = new TrainerFixture(TrainerFixture.Default with { MicroBatch = microBatch, ClipNorm = 1 });
        for (var step = 0; step < 20; step++)
        {
            var (expected, actual) = (whole.Trainer.TrainStep(), cut.Trainer.TrainStep());
            actual.Loss.ShouldBe(expected.Loss, 1e-5 * expected.Loss);
            actual.GradientNorm.ShouldBe(expected.GradientNorm, 1e-5 * expected.GradientNorm);
            TrainerFixture.ShouldBeClose(cut.Values, whole.Values, 1e-5, $"step {step}");
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Several_ranks_do_what_one_does_and_hold_the_same_bits(int worldSize)
    {
        using var one = new TrainerFixture(TrainerFixture.Default with { ClipNorm = 1 });
        var expected = Enumerable.Range(0, 10).Select(_ => one.Trainer.TrainStep()).ToArray();
        var states = new int[worldSize][];
        Ranks.Run(worldSize, group =>
        {
            using var fixture = new TrainerFixture(one.Options, group);
            foreach (var step in expected)
            {
                var result = fixture.Trainer.TrainStep();
                result.Loss.ShouldBe(step.Loss, 1e-5 * step.Loss);
                result.Tokens.ShouldBe(step.Tokens);
            }

            TrainerFixture.ShouldBeClose(fixture.Values, one.Values, 1e-5);
            states[group.Rank] = Bits.StateOf(fixture.Trainer);
        });
        states.ShouldAllBe(state => state.SequenceEqual(states[0]));
    }

    [Fact]
    public void A_large_gradient_is_scaled_down_to_the_clip_norm()
    {
        using var free = new TrainerFixture();
        using var clipped = new TrainerFixture(TrainerFixture.Default with { ClipNorm = 0.25 });
        var norm = free.Trainer.TrainStep().GradientNorm;
        norm.ShouldBeGreaterThan(0.5, "otherwise nothing is clipped");
        clipped.Trainer.TrainStep().GradientNorm.ShouldBe(norm, "the norm before clipping is reported");
        TrainerFixture.Norm(clipped.Gradients).ShouldBe(0.25, 1e-5);
        TrainerFixture.ShouldBeClose(clipped.Gradients, [.. free.Gradients.Select(g => g * 0.25 / norm)], 1e-5);
    }

    [Fact]
    public void A_gradient_below_the_clip_norm_keeps_its_bits()
    {
        using var free = new TrainerFixture();
        using var clipped = new TrainerFixture(TrainerFixture.Default with { ClipNorm = 1e6 });
        for (var step = 0; step < 3; step++)
        {
            free.Trainer.TrainStep();
            clipped.Trainer.TrainStep();
            clipped.Gradients.ShouldBe(free.Gradients);
            Bits.StateOf(clipped.Trainer).ShouldBe(Bits.StateOf(free.Trainer));
        }
    }

    [Theory]
    [InlineData(1000, 1, 100)]
    [InlineData(30, 1, 30)]
    [InlineData(1000, 8, 104)]
    public void A_task_that_predicts_nothing_from_the_first_step_on_ends_with_an_error(long steps, int localSteps, long last)
    {
        using var fixture = new TrainerFixture(TrainerFixture.Default with { Steps = steps, LocalSteps = localSteps });
        fixture.Task.Rows = _ => 0;
        var values = fixture.Values;
        while (fixture.Trainer.Step < last - localSteps)
        {
            fixture.Trainer.TrainStep().Skipped.ShouldBe("nothing was predicted");
        }

        Should.Throw<BadDataException>(() => fixture.Trainer.TrainStep()).Message
            .ShouldBe($"Step {last}: nothing was predicted. No step so far was applied, so the model learns nothing.");
        (fixture.Trainer.Step, fixture.Trainer.State.Updates).ShouldBe((last - localSteps, 0));
        fixture.Values.ShouldBe(values);
    }

    [Fact]
    public void One_step_that_was_applied_is_enough_for_the_job_to_go_on()
    {
        using var fixture = new TrainerFixture();
        fixture.Trainer.TrainStep().Skipped.ShouldBeNull();
        fixture.Task.Rows = _ => 0;
        while (fixture.Trainer.Step < 150)
        {
            fixture.Trainer.TrainStep().Skipped.ShouldBe("nothing was predicted");
        }
    }

    [Theory]
    [InlineData(BadLossRule.Stop)]
    [InlineData(BadLossRule.Skip)]
    public void A_step_in_which_nothing_is_predicted_says_so_and_changes_nothing(BadLossRule rule)
    {
        using var fixture = new TrainerFixture(TrainerFixture.Default with { OnBadLoss = rule });
        fixture.Trainer.TrainStep();
        var (state, history) = (Bits.StateOf(fixture.Trainer), fixture.Trainer.State.LossHistory);
        var rows = fixture.Task.Rows;
        fixture.Task.Rows = _ => 0;
        var result = fixture.Trainer.TrainStep();
        result.Skipped.ShouldNotBeNull().ShouldBe("nothing was predicted");
        result.Step.ShouldBe(2);
        result.Loss.ShouldBe(double.NaN);
        result.Tokens.ShouldBe(80);
        Bits.StateOf(fixture.Trainer).ShouldBe(state);
        (fixture.Trainer.Step, fixture.Trainer.State.Updates, fixture.Trainer.State.LossHistory).ShouldBe((2, 1, history));

        fixture.Task.Rows = rows;
        var (loss, gradients) = fixture.ExpectedOfNextStep();
        fixture.Trainer.TrainStep().Loss.ShouldBe(loss, 1e-5 * loss);
        TrainerFixture.ShouldBeClose(fixture.Gradients, gradients, 1e-5);
        fixture.Trainer.State.Updates.ShouldBe(2);
    }

    [Fact]
    public void A_request_to_stop_is_in_the_next_result_and_in_all_after_it()
    {
        using var fixture = new TrainerFixture();
        fixture.Trainer.TrainStep().StopRequested.ShouldBeFalse();
        var thread = new Thread(fixture.Trainer.RequestStop);
        thread.Start();
        thread.Join();
        fixture.Trainer.TrainStep().StopRequested.ShouldBeTrue();
        fixture.Trainer.TrainStep().StopRequested.ShouldBeTrue();
    }

    [Fact]
    public void A_request_to_one_rank_is_seen_by_all_at_the_same_step() => Ranks.Run(worldSize: 3, group =>
    {
        using var fixture = new TrainerFixture(group: group);
        fixture.Trainer.TrainStep().StopRequested.ShouldBeFalse();
        if (group.Rank == 1)
        {
            fixture.Trainer.RequestStop();
        }

        fixture.Trainer.TrainStep().StopRequested.ShouldBeTrue();
    });

    [Fact]
    public void A_step_whose_collective_fails_changes_nothing()
    {
        using var group = new FakeGroup(rank: 0, worldSize: 2);
        using var fixture = new TrainerFixture(group: group);
        fixture.Trainer.TrainStep();
        var state = Bits.StateOf(fixture.Trainer);
        var failure = new ProcessGroupAbortedException(new ProcessGroupOperation("all-reduce", 0, 0, 2, 0), reason: null);
        group.Failure = failure;
        Should.Throw<ProcessGroupException>(() => fixture.Trainer.TrainStep()).ShouldBeSameAs(failure);
        Bits.StateOf(fixture.Trainer).ShouldBe(state);
        (fixture.Trainer.Step, fixture.Trainer.State.Updates).ShouldBe((1, 1));
    }

    [Theory]
    [InlineData(8, 2, 5, "4 micro-batches")]
    [InlineData(8, 8, 2, "1 micro-batches")]
    [InlineData(8, 3, 1, "globalBatch is 8")]
    [InlineData(2, 4, 1, "globalBatch is 2")]
    [InlineData(0, 4, 1, "globalBatch is 0")]
    [InlineData(8, 0, 1, "microBatch is 0")]
    public void Batches_that_do_not_fit_are_refused(int globalBatch, int microBatch, int worldSize, string expected)
    {
        using var group = new FakeGroup(rank: 0, worldSize);
        using var task = new LinearTask();
        var options = TrainerFixture.Default with { GlobalBatch = globalBatch, MicroBatch = microBatch };
        Should.Throw<ArgumentException>(() =>
        {
            using var trainer = new Trainer(task, options);
            trainer.Join(group);
        }).Message.ShouldContain(expected);
    }
}
