using Linformer.Training.ProcessGroups;
using Linformer.Training.Tests.ProcessGroups;

namespace Linformer.Training.Tests.Trainers;

/// <summary>Steps of which the gradients travel as bfloat16.</summary>
public class WireTests
{
    private static readonly TrainingOptions Rounded = TrainerFixture.Default with { ClipNorm = 1, Wire = WireFormat.BFloat16 };

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Counts_and_losses_are_exact_gradients_are_rounded_and_all_ranks_hold_the_same_bits(int worldSize)
    {
        using var one = new TrainerFixture(Rounded);
        var (_, gradients) = one.ExpectedOfNextStep();
        var expected = one.Trainer.TrainStep();
        var states = new int[worldSize][];
        Ranks.Run(worldSize, group =>
        {
            using var fixture = new TrainerFixture(Rounded, group);
            var result = fixture.Trainer.TrainStep();
            result.Loss.ShouldBe(expected.Loss, 1e-6 * expected.Loss, "rounding would be seen from 1e-3 on");
            result.Tokens.ShouldBe(expected.Tokens);
            result.GradientNorm.ShouldBe(TrainerFixture.Norm(gradients), 1e-2 * TrainerFixture.Norm(gradients));
            result.GradientNorm.ShouldNotBe(expected.GradientNorm, "otherwise nothing was rounded");
            for (var step = 2; step <= 5; step++)
            {
                fixture.Trainer.TrainStep().Skipped.ShouldBeNull();
            }

            states[group.Rank] = Bits.StateOf(fixture.Trainer);
        });
        states.ShouldAllBe(state => state.SequenceEqual(states[0]));
    }

    [Fact]
    public void One_rank_rounds_nothing()
    {
        using var full = new TrainerFixture(Rounded with { Wire = WireFormat.Full });
        using var rounded = new TrainerFixture(Rounded);
        for (var step = 1; step <= 3; step++)
        {
            rounded.Trainer.TrainStep().ShouldBe(full.Trainer.TrainStep());
        }

        Bits.StateOf(rounded.Trainer).ShouldBe(Bits.StateOf(full.Trainer));
    }
}
