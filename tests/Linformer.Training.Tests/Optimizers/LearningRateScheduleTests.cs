using FsCheck;
using FsCheck.Fluent;
using Linformer.Training.Optimizers;

namespace Linformer.Training.Tests.Optimizers;

public class LearningRateScheduleTests
{
    // Warm-up of 10 steps, then 90 more: step 55 is half-way between step 10 and step 100.
    [Theory]
    [InlineData(ScheduleShape.Linear, 0, 0.2)]
    [InlineData(ScheduleShape.Linear, 4, 1.0)]
    [InlineData(ScheduleShape.Linear, 9, 2.0)]
    [InlineData(ScheduleShape.Linear, 10, 2.0)]
    [InlineData(ScheduleShape.Linear, 55, 1.0)]
    [InlineData(ScheduleShape.Linear, 99, 2.0 / 90)]
    [InlineData(ScheduleShape.Linear, 100, 0.0)]
    [InlineData(ScheduleShape.Linear, 500, 0.0)]
    [InlineData(ScheduleShape.Cosine, 4, 1.0)]
    [InlineData(ScheduleShape.Cosine, 10, 2.0)]
    [InlineData(ScheduleShape.Cosine, 40, 1.5)]
    [InlineData(ScheduleShape.Cosine, 55, 1.0)]
    [InlineData(ScheduleShape.Cosine, 70, 0.5)]
    [InlineData(ScheduleShape.Cosine, 100, 0.0)]
    [InlineData(ScheduleShape.Cosine, 500, 0.0)]
    [InlineData(ScheduleShape.Constant, 0, 0.2)]
    [InlineData(ScheduleShape.Constant, 10, 2.0)]
    [InlineData(ScheduleShape.Constant, 99, 2.0)]
    public void Has_the_values_of_its_closed_form(ScheduleShape shape, long step, double expected) =>
        new LearningRateSchedule(shape, Peak: 2, WarmupSteps: 10, Steps: 100).At(step).ShouldBe(expected, 1e-12);

    [Theory]
    [InlineData(ScheduleShape.Linear)]
    [InlineData(ScheduleShape.Cosine)]
    [InlineData(ScheduleShape.Constant)]
    public void Without_warm_up_it_starts_at_the_peak(ScheduleShape shape) =>
        new LearningRateSchedule(shape, Peak: 0.3, WarmupSteps: 0, Steps: 7).At(0).ShouldBe(0.3);

    [Fact]
    public void Grows_to_the_peak_and_then_never_grows_again_nor_falls_below_zero() => Prop.ForAll(
        ArbMap.Default.GeneratorFor<uint>().ToArbitrary(),
        seed =>
        {
            var random = new Random((int)seed);
            var steps = random.NextInt64(1, 1_000_000_000);
            var warmup = random.Next(4) == 0 ? steps : random.NextInt64(0, steps);
            var peak = Math.Pow(10, -8 * random.NextDouble());
            var schedule = new LearningRateSchedule((ScheduleShape)random.Next(3), peak, warmup, steps);
            var step = random.NextInt64(0, 2 * steps);
            var (now, next) = (schedule.At(step), schedule.At(step + 1));
            now.ShouldBeInRange(0, peak);
            if (step + 1 < warmup)
            {
                now.ShouldBeGreaterThan(0);
                next.ShouldBeGreaterThan(now);
            }
            else
            {
                next.ShouldBeLessThanOrEqualTo(now);
            }

            if (step < steps)
            {
                now.ShouldBeGreaterThan(0, "every step of a job moves the parameters");
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));
}
