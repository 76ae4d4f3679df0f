using FsCheck;
using FsCheck.Fluent;

namespace Linformer.Training.Tests;

public class LossMonitorTests
{
    private static readonly double[] NotFinite = [double.NaN, double.PositiveInfinity, double.NegativeInfinity];

    [Fact]
    public void A_loss_or_norm_that_is_not_finite_is_bad_whatever_came_before() => Check(random =>
    {
        var history = After(Losses(random, random.Next(100)));
        var wrong = NotFinite[random.Next(NotFinite.Length)];
        LossMonitor.Verdict(history, wrong, gradientNorm: 1).ShouldNotBeNull().ShouldContain("loss");
        LossMonitor.Verdict(history, loss: 0.5, wrong).ShouldNotBeNull().ShouldContain("norm");
    });

    [Fact]
    public void A_constant_loss_is_never_bad() => Check(random =>
    {
        var loss = Scale(random);
        var history = default(LossHistory);
        for (var i = 0; i < 300; i++)
        {
            LossMonitor.Verdict(history, loss, Scale(random)).ShouldBeNull($"loss {i}");
            history = LossMonitor.Add(history, loss);
        }
    });

    [Fact]
    public void A_jump_is_bad_once_the_mean_is_trusted_and_not_before() => Check(random =>
    {
        var losses = Losses(random, random.Next(2, 200));
        var jump = LossMonitor.Factor * losses.Max() * 1.001;
        var verdict = LossMonitor.Verdict(After(losses), jump, gradientNorm: 1);
        (verdict is not null).ShouldBe(losses.Length >= LossMonitor.TrustedAfter);
        LossMonitor.Verdict(After(losses), LossMonitor.Factor * losses.Min() * 0.999, gradientNorm: 1).ShouldBeNull();
    });

    [Fact]
    public void The_verdict_names_the_loss_and_the_mean() =>
        LossMonitor.Verdict(new LossHistory(Mean: 2, Count: 20), loss: 6.5, gradientNorm: 1)
            .ShouldBe("the loss is 6.5, above 3 times its running mean 2");

    // The mean of the first 50; from then on, each loss weighs a fiftieth and what came before the rest.
    [Fact]
    public void The_running_mean_is_the_weighted_sum_of_all_losses() => Check(random =>
    {
        var losses = Losses(random, random.Next(1, 400));
        var first = losses.Take(50).ToArray();
        var later = losses.Skip(50).ToArray();
        var expected = (first.Average() * Math.Pow(0.98, later.Length))
            + later.Select((loss, i) => 0.02 * Math.Pow(0.98, later.Length - 1 - i) * loss).Sum();
        var history = After(losses);
        history.Count.ShouldBe(losses.Length);
        history.Mean.ShouldBe(expected, 1e-9 * expected);
    });

    private static LossHistory After(double[] losses) => losses.Aggregate(default(LossHistory), LossMonitor.Add);

    private static double[] Losses(Random random, int count)
    {
        var scale = Scale(random);
        return [.. Enumerable.Range(0, count).Select(_ => scale * (0.5 + random.NextDouble()))];
    }

    private static double Scale(Random random) => Math.Pow(10, 6 * (random.NextDouble() - 0.5));

    private static void Check(Action<Random> property) => Prop.ForAll(
        ArbMap.Default.GeneratorFor<uint>().ToArbitrary(),
        seed => property(new Random((int)seed))).Check(Config.QuickThrowOnFailure.WithMaxTest(200));
}
