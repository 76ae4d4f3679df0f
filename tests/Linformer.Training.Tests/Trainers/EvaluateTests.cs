using Linformer.Training.Tests.ProcessGroups;
using static TorchSharp.torch;

namespace Linformer.Training.Tests.Trainers;

[Collection(nameof(Alone))]
public class EvaluateTests
{
    [Fact]
    public void The_loss_is_the_mean_over_all_rows_of_all_held_out_sequences()
    {
        using var fixture = new TrainerFixture(TrainerFixture.Default with { MicroBatch = 2 });
        var batches = new List<(long First, int Count)>();
        fixture.Task.OnHeldOut = (first, count) => batches.Add((first, count));
        var (loss, rows) = fixture.Task.ExpectedHeldOut();
        var result = fixture.Trainer.Evaluate();
        result.Loss.ShouldBe(loss, 1e-5 * loss);
        result.Predicted.ShouldBe(rows);
        result.Perplexity.ShouldBe(Math.Exp(result.Loss));
        batches.ShouldBe([(0, 2), (2, 2), (4, 2), (6, 1)]);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Ranks_share_the_sequences_out_and_all_know_the_loss(int worldSize)
    {
        var seen = new int[7];
        Ranks.Run(worldSize, group =>
        {
            using var fixture = new TrainerFixture(group: group);
            fixture.Task.OnHeldOut = (first, count) =>
            {
                for (var i = first; i < first + count; i++)
                {
                    Interlocked.Increment(ref seen[i]);
                }
            };
            var (loss, rows) = fixture.Task.ExpectedHeldOut();
            var result = fixture.Trainer.Evaluate();
            result.Loss.ShouldBe(loss, 1e-5 * loss);
            result.Predicted.ShouldBe(rows);
        });
        seen.ShouldAllBe(times => times == 1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Gradients_state_and_mode_are_left_as_they_were(bool training)
    {
        using var fixture = new TrainerFixture();
        fixture.Trainer.TrainStep();
        fixture.Task.Model.train(training);
        var during = new List<(bool Training, bool Gradients)>();
        fixture.Task.OnHeldOut = (_, _) => during.Add((fixture.Task.Model.training, is_grad_enabled()));
        var (gradients, state) = (Bits.BitsOf(fixture.Trainer.Parameters.GradientsAndTrailer), Bits.StateOf(fixture.Trainer));
        fixture.Trainer.Evaluate();
        during.ShouldBe(Enumerable.Repeat((false, false), 4));
        fixture.Task.Model.training.ShouldBe(training);
        is_grad_enabled().ShouldBeTrue();
        Bits.BitsOf(fixture.Trainer.Parameters.GradientsAndTrailer).ShouldBe(gradients);
        Bits.StateOf(fixture.Trainer).ShouldBe(state);
        fixture.Trainer.Step.ShouldBe(1);
    }

    [Fact]
    public void An_evaluation_that_fails_leaves_the_mode_as_it_was()
    {
        using var fixture = new TrainerFixture();
        fixture.Task.Model.train();
        fixture.Task.OnHeldOut = (_, _) => throw new IOException("unreadable");
        Should.Throw<IOException>(() => fixture.Trainer.Evaluate());
        fixture.Task.Model.training.ShouldBeTrue();
        is_grad_enabled().ShouldBeTrue();
    }
}
