using Linformer.Worker.Agents;

namespace Linformer.Worker.Tests.Agents;

public sealed class WatchdogTests
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(100);
    private static readonly RankSigns Training = new(Messages: 1, Activity: 1, Waiting: false, Trained: true, Stopping: false, Leaving: false, TimeSpan.FromMilliseconds(50));

    private readonly WatchdogOptions _options = new();
    private WatchState _state;
    private string? _blame;

    [Fact]
    public void OneThatIsSilentForThreeSecondsHangs()
    {
        Look(Training, times: 30).ShouldBeNull();
        Look(Training, times: 2).ShouldBe("did not respond for 3.1 s (usual step 50 ms) and was killed by its worker");
    }

    [Fact]
    public void OneWhoseStepsAreLongMayNotBeSilentForLonger()
    {
        var slow = Training with { UsualStep = TimeSpan.FromSeconds(3) };

        Look(slow, times: 30).ShouldBeNull();
        Look(slow, times: 2).ShouldBe("did not respond for 3.1 s (usual step 3.00 s) and was killed by its worker");
    }

    [Fact]
    public void AnySignOfLifeEndsTheSilence()
    {
        for (var messages = 1; messages < 1000; messages++)
        {
            // A step takes a second and a half; in between there are pulses only now and then.
            Look(Training with { Messages = messages, Activity = messages }, times: 15).ShouldBeNull();
        }
    }

    [Fact]
    public void OneWhoseTrainingThreadStandsStillHangsAfterThirtySeconds()
    {
        for (var messages = 1; messages <= 300; messages++)
        {
            Look(Training with { Messages = messages }, times: 1).ShouldBeNull();
        }

        Look(Training with { Messages = 301 }, times: 1);
        Look(Training with { Messages = 302 }, times: 1).ShouldBe("got no further for 30.1 s (usual step 50 ms) and was killed by its worker");
    }

    [Fact]
    public void OneThatWaitsForOthersIsNeverAccusedOfStandingStill()
    {
        for (var messages = 1; messages <= 100_000; messages++)
        {
            Look(Training with { Messages = messages, Waiting = true }, times: 1).ShouldBeNull();
        }
    }

    [Fact]
    public void WhatIsUsualIsLearned()
    {
        // It gets further every 3 s, so 60 s without are still usual.
        var messages = 1;
        for (var activity = 1; activity <= 20; activity++)
        {
            for (var tick = 0; tick < 30; tick++)
            {
                Look(Training with { Messages = ++messages, Activity = activity }, times: 1).ShouldBeNull();
            }
        }

        var ticks = 0;
        while (_blame is null)
        {
            Look(Training with { Messages = ++messages, Activity = 20 }, times: 1);
            ticks++;
        }

        ticks.ShouldBeInRange(500, 620);
    }

    [Fact]
    public void BeforeTheFirstStepThereAreTenMinutes()
    {
        var silent = Training with { Messages = 0, Trained = false, UsualStep = TimeSpan.Zero };
        Look(silent, times: 5999).ShouldBeNull();
        Look(silent, times: 2).ShouldBe("did not start within 600.1 s and was killed by its worker");

        _state = default;
        for (var messages = 1; messages <= 6000; messages++)
        {
            Look(silent with { Messages = messages }, times: 1).ShouldBeNull();
        }

        Look(silent with { Messages = 7000 }, times: 1);
        Look(silent with { Messages = 7001 }, times: 1).ShouldBe("got no further for 600.1 s (before its first step) and was killed by its worker");
    }

    [Fact]
    public void AnotherLimitHoldsBeforeTheFirstStepInProportion()
    {
        var longer = new WatchdogOptions { Silence = TimeSpan.FromSeconds(7) }.WithStall(TimeSpan.FromMinutes(5));

        (longer.Stall, longer.Startup, longer.Silence).ShouldBe((TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(100), TimeSpan.FromSeconds(7)));
    }

    [Fact]
    public void OneThatStopsHasItsOwnLimitButMustNotBeSilent()
    {
        var stopping = Training with { Stopping = true };
        for (var messages = 1; messages <= 1000; messages++)
        {
            Look(stopping with { Messages = messages }, times: 1).ShouldBeNull();
        }

        Look(stopping with { Messages = 1000 }, times: 31).ShouldNotBeNull();
    }

    [Fact]
    public void OneThatHasSaidItsLastWordHasToEnd()
    {
        Look(Training with { Leaving = true }, times: 300).ShouldBeNull();
        Look(Training with { Leaving = true }, times: 1).ShouldBe("did not end within 30.1 s of its last word and was killed by its worker");
    }

    // The first look sees everything for the first time.
    private string? Look(RankSigns signs, int times)
    {
        for (var i = 0; i < times; i++)
        {
            (_state, _blame) = Watchdog.Look(_state, signs, Tick, _options);
        }

        return _blame;
    }
}
