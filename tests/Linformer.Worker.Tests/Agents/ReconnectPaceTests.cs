using Linformer.Worker.Agents;

namespace Linformer.Worker.Tests.Agents;

public sealed class ReconnectPaceTests
{
    private const double Middle = 0.5;

    [Theory]
    [InlineData(1, new[] { 0.2, 0.4, 0.8, 1.6, 2, 2 })]
    [InlineData(3, new[] { 0.2, 0.4, 0.5, 0.5 })]
    public void WaitsGetLongerUpToALimit(int coordinators, double[] seconds) => Waits(new ReconnectPace(coordinators), seconds.Length).ShouldBe(seconds);

    [Fact]
    public void AfterAConnectionThatLastedTheyAreShortAgain()
    {
        var pace = new ReconnectPace(1);
        Waits(pace, 5);

        pace.Reset();

        Waits(pace, 2).ShouldBe([0.2, 0.4]);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(3)]
    [InlineData(1)]
    [InlineData(0.5)]
    public void WithinALeaseThereAreSeveralTriesHoweverLongTheCoordinatorWasAway(double lease)
    {
        var pace = new ReconnectPace(1);
        pace.TakeLease(TimeSpan.FromSeconds(lease));
        for (var i = 0; i < 100; i++)
        {
            pace.Next(luck: 1);
        }

        (4 * pace.Next(luck: 1).TotalSeconds).ShouldBeLessThanOrEqualTo(lease);
    }

    [Fact]
    public void ALongerLeaseLengthensThemAgainAndALongOneChangesNothing()
    {
        var pace = new ReconnectPace(1);
        pace.TakeLease(TimeSpan.FromSeconds(2));
        Waits(pace, 3).ShouldBe([0.2, 0.4, 0.4]);

        pace.TakeLease(TimeSpan.FromHours(1));

        Waits(pace, 4).ShouldBe([0.4, 0.8, 1.6, 2]);
        pace.TakeLease(TimeSpan.Zero);
        Waits(pace, 1).ShouldBe([2]);
    }

    [Fact]
    public void NotAllAgentsComeAtOnce()
    {
        new ReconnectPace(1).Next(luck: 0).TotalSeconds.ShouldBe(0.15, 1e-6);
        new ReconnectPace(1).Next(luck: 1).TotalSeconds.ShouldBe(0.25, 1e-6);
    }

    private static double[] Waits(ReconnectPace pace, int count) => [.. Enumerable.Range(0, count).Select(_ => Math.Round(pace.Next(Middle).TotalSeconds, 6))];
}
