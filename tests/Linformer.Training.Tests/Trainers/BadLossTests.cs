namespace Linformer.Training.Tests.Trainers;

[Collection(nameof(Alone))]
public class BadLossTests
{
    // Enough steps that the running mean of the losses is trusted.
    private const int Before = 25;

    public static TheoryData<float> BadFactors() => new(float.NaN, float.PositiveInfinity, float.NegativeInfinity, 1e6f);

    [Theory]
    [MemberData(nameof(BadFactors))]
    public void Stop_throws_and_leaves_every_bit_as_it_was(float factor)
    {
        using var fixture = Trained(BadLossRule.Stop);
        var trainer = fixture.Trainer;
        var (state, history) = (Bits.StateOf(trainer), trainer.State.LossHistory);
        SpoilStep(fixture, factor);
        var error = Should.Throw<BadLossException>(() => trainer.TrainStep());
        error.Step.ShouldBe(Before + 1);
        error.Message.ShouldContain($"Step {Before + 1}: the loss is");
        error.Message.ShouldContain("training.onBadLoss");
        Bits.StateOf(trainer).ShouldBe(state);
        (trainer.Step, trainer.State.Updates, trainer.State.LossHistory).ShouldBe((Before, Before, history));
    }

    [Theory]
    [MemberData(nameof(BadFactors))]
    public void Skip_leaves_the_step_out_and_goes_on(float factor)
    {
        using var fixture = Trained(BadLossRule.Skip);
        var trainer = fixture.Trainer;
        var (state, history) = (Bits.StateOf(trainer), trainer.State.LossHistory);
        SpoilStep(fixture, factor);
        var skipped = trainer.TrainStep();
        skipped.Skipped.ShouldNotBeNull().ShouldContain("the loss is");
        skipped.Step.ShouldBe(Before + 1);
        Bits.StateOf(trainer).ShouldBe(state);
        (trainer.Step, trainer.State.Updates, trainer.State.LossHistory).ShouldBe((Before + 1, Before, history));

        // What was not finite has not stayed in a buffer, and the next samples come next.
        var (loss, gradients) = fixture.ExpectedOfNextStep();
        var next = trainer.TrainStep();
        next.Skipped.ShouldBeNull();
        next.Loss.ShouldBe(loss, 1e-5 * loss);
        TrainerFixture.ShouldBeClose(fixture.Gradients, gradients, 1e-5);
        (trainer.Step, trainer.State.Updates).ShouldBe((Before + 2, Before + 1));
        Bits.StateOf(trainer).ShouldNotBe(state);
    }

    private static TrainerFixture Trained(BadLossRule rule)
    {
        var fixture = new TrainerFixture(TrainerFixture.Default with { OnBadLoss = rule });
        for (var step = 0; step < Before; step++)
        {
            fixture.Trainer.TrainStep().Skipped.ShouldBeNull();
        }

        return fixture;
    }

    // One micro-batch of the next step, the third.
    private static void SpoilStep(TrainerFixture fixture, float factor)
    {
        var first = (fixture.Trainer.Step * fixture.Options.GlobalBatch) + (2 * fixture.Options.MicroBatch);
        fixture.Task.Factor = sample => sample == first ? factor : 1;
    }
}
