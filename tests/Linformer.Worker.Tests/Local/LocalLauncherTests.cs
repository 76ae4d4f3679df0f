using System.Text.Json;
using Linformer.Worker.Agents;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.TestRank;

namespace Linformer.Worker.Tests.Local;

[Trait("Lane", "Processes")]
public sealed class LocalLauncherTests : LauncherFixture
{
    [Fact]
    public async Task RanksGetTheirWorkAndTheirReportsArrive()
    {
        var recorder = new Recorder();

        var first = new JoinMessage(2, 7, 0, 2, SkippedSteps: [9], LineageLimits: [8, 7]);
        var result = await Launcher.RunAsync(Run("train") with { First = first, Threads = 3 }, recorder);

        result.Outcome.ShouldBe(LocalRunOutcome.Finished);
        for (var rank = 0; rank < 2; rank++)
        {
            var told = JsonSerializer.Deserialize<Told>(result.Summaries[rank]!)!;
            (told.Start.Member, told.Start.Threads, told.Start.JobJson, told.Start.StorageRoot).ShouldBe((rank + 1, 3, """{"name":"brown ☃"}""", Folder));
            (told.Start.CorpusFolder, told.Start.RunFolder, told.Start.ModelFolder).ShouldBe((Path.Combine(Folder, "corpus"), Path.Combine(Folder, "run"), Path.Combine(Folder, "model")));
            (told.Join.Lineage, told.Join.Generation, told.Join.Rank, told.Join.WorldSize, told.Join.MustHold).ShouldBe((2, 7, rank, 2, false));
            (told.Join.SkippedSteps, told.Join.LineageLimits).ShouldSatisfyAllConditions(both => both.SkippedSteps.ShouldBe([9]), both => both.LineageLimits.ShouldBe([8, 7]));
            recorder.Joins.Where(item => item.Rank == rank).Select(item => item.Joined.Generation).ShouldBe([7]);
            recorder.Checkpoints.Where(item => item.Rank == rank).Select(item => item.Checkpoint)
                .ShouldBe([new CheckpointedMessage("l0000-g0001-s00000005", Path.Combine(Folder, "run"))]);
            // The good one of three.
            recorder.Samples.Where(item => item.Rank == rank).Select(item => (item.Sample.Generation, item.Sample.ForwardSeconds)).ShouldBe([(7, 0.2)]);
            IsGone(recorder.ProcessIds[rank]).ShouldBeTrue();
        }

        recorder.AllProgress.ShouldAllBe(item => item.Rank == 0);
        var progress = recorder.AllProgress.Select(item => item.Progress).ToList();
        progress.Select(p => p.Step).ShouldBe([1, 2, 3, 4, 5]);
        progress[1].ShouldBe(new ProgressMessage(2, 5, 5.0, 1e-3, 1000, Lineage: 2, Generation: 7, WorldSize: 2));
        progress[4].HeldOutLoss.ShouldBe(double.NaN);

        Events.ShouldAllBe(e => e.Properties["Generation"].ToString() == "7");
        Events.Select(e => e.Properties["Rank"].ToString()).Distinct().Order().ShouldBe(["0", "1"]);
    }

    [Fact]
    public async Task ARankThatLivesAndGetsNoFurtherIsKilledAndEndsTheRunAndOneThatWaitsForItIsNotBlamed()
    {
        var watchdog = new WatchdogOptions { Stall = TimeSpan.FromSeconds(1), StallIntervals = 1, Killer = "its launcher" };

        var error = await Should.ThrowAsync<RankFailedException>(() => Launcher.RunAsync(Run("waits,spins") with { Watchdog = watchdog }, new Recorder()));

        error.Failure.Rank.ShouldBe(1);
        error.Failure.Reason.ShouldMatch(@"^got no further for [\d.]+ s \(usual step [\d.]+ m?s\) and was killed by its launcher$");
        error.Others.ShouldBeEmpty();
        var told = Events.Single(e => e.MessageTemplate.Text == "Rank {Rank} {Blame}");
        (told.Properties["Generation"].ToString(), told.Properties["Rank"].ToString()).ShouldBe(("7", "1"));
        long.Parse(told.Properties["Step"].ToString()).ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task ARankThatIsStoppedIsKilledWhenItIsSilentForTooLong()
    {
        Recorder recorder = null!;
        recorder = new Recorder { OnJoined = rank => Signal("STOP", recorder.ProcessIds[rank]) };

        var error = await Should.ThrowAsync<RankFailedException>(
            () => Launcher.RunAsync(Run("waits", 1) with { Watchdog = new WatchdogOptions { Silence = TimeSpan.FromSeconds(1) } }, recorder));

        error.Failure.Reason.ShouldMatch(@"^did not respond for [\d.]+ s \(.*\) and was killed by its worker$");
    }

    [Fact]
    public async Task TheEnvironmentIsSetBeforeTheRankStarts()
    {
        // Any library will do: one that this process has loaded.
        var preload = File.ReadLines("/proc/self/maps").First(line => line.EndsWith("/libc.so.6", StringComparison.Ordinal));
        preload = preload[preload.IndexOf('/')..];

        var result = await Launcher.RunAsync(
            Run("environment", 1) with { Threads = 3, PreloadLibrary = preload, Environment = new Dictionary<string, string> { ["LINFORMER_TEST"] = "yes", ["OMP_NUM_THREADS"] = "99" } },
            new Recorder());

        JsonSerializer.Deserialize<Dictionary<string, string>>(result.Summaries[0]!).ShouldBe(
            new Dictionary<string, string>
            {
                ["OMP_NUM_THREADS"] = "3",
                ["OPENBLAS_NUM_THREADS"] = "3",
                ["MKL_NUM_THREADS"] = "3",
                ["DOTNET_gcServer"] = "0",
                ["DOTNET_gcConcurrent"] = "0",
                ["LD_PRELOAD"] = preload,
                ["LINFORMER_TEST"] = "yes",
            },
            ignoreOrder: true);
    }

    [Fact]
    public async Task RanksHaveTheMachinesJemallocUnlessAnotherLibraryIsAskedFor()
    {
        var result = await Launcher.RunAsync(Run("environment", 1), new Recorder());

        var environment = JsonSerializer.Deserialize<Dictionary<string, string>>(result.Summaries[0]!)!;
        environment["LD_PRELOAD"].ShouldEndWith("/libjemalloc.so.2");
    }

    [Fact]
    public async Task WhatIsPrintedOnDescriptorOneGoesToTheLog()
    {
        var recorder = new Recorder();

        var result = await Launcher.RunAsync(Run("noise", 1), recorder);

        result.Summaries.ShouldBe(["\"nothing to read\""]);
        recorder.AllProgress.Count.ShouldBe(1);
        var log = await File.ReadAllTextAsync(Path.Combine(Folder, "logs", "rank-0.log"));
        log.ShouldBe("{\"type\":\"finished\",\"summaryJson\":\"forged\"}\nnative noise without a line breakmanaged noise\n\0more\n");
        recorder.Lines.Select(item => item.Line).ShouldBe(log.Split('\n')[..3]);
    }

    [Fact]
    public async Task ThreeRanksFindEachOther()
    {
        var result = await Launcher.RunAsync(Run("rendezvous", 3), new Recorder());

        result.Summaries.ShouldBe(Enumerable.Repeat("""["host:0","host:1","host:2"]""", 3));
    }

    [Fact]
    public async Task ARendezvousThatNobodyMeetsEndsByTimeoutOrCancellation()
    {
        var result = await Launcher.RunAsync(Run("rendezvous-waits", 1), new Recorder());

        var said = JsonSerializer.Deserialize<string[]>(result.Summaries[0]!)!;
        said[0].ShouldBe("No rank has set the rendezvous key 'nobody' within 0.05 s.");
        said[1].ShouldBe("OperationCanceledException");
        said[2].ShouldContain("allowed are 1048576");
        said[3].ShouldBe("03");
    }

    [Fact]
    public async Task CancellationStopsTheRanksGracefully()
    {
        using var cancellation = new CancellationTokenSource();
        var ready = 0;
        var recorder = new Recorder
        {
            OnProgress = _ =>
            {
                if (++ready == 2)
                {
                    cancellation.Cancel();
                }
            },
        };

        var result = await Launcher.RunAsync(Run("graceful"), recorder, cancellation.Token);

        result.Outcome.ShouldBe(LocalRunOutcome.Stopped);
        recorder.Checkpoints.Select(item => item.Rank).Order().ShouldBe([0, 1]);
    }

    [Fact]
    public async Task SignalsThatAllProcessesGetDoNotEndARank()
    {
        using var cancellation = new CancellationTokenSource();
        Recorder recorder = null!;
        recorder = new Recorder
        {
            OnProgress = rank =>
            {
                Signal("INT", recorder.ProcessIds[rank]);
                Signal("HUP", recorder.ProcessIds[rank]);
                Signal("TERM", recorder.ProcessIds[rank]);
                cancellation.CancelAfter(TimeSpan.FromMilliseconds(300));
            },
        };

        var result = await Launcher.RunAsync(Run("graceful", 1), recorder, cancellation.Token);

        result.Outcome.ShouldBe(LocalRunOutcome.Stopped);
        recorder.Checkpoints.Count.ShouldBe(1);
    }

    [Fact]
    public async Task RanksThatDoNotStopInTimeAreKilled()
    {
        using var cancellation = new CancellationTokenSource();
        var recorder = new Recorder { OnStarted = rank => cancellation.CancelAfter(rank == 1 ? 50 : Timeout.Infinite) };

        var error = await Should.ThrowAsync<TimeoutException>(() =>
            Launcher.RunAsync(Run("sleep,graceful") with { StopTimeout = TimeSpan.FromMilliseconds(500) }, recorder, cancellation.Token));

        error.Message.ShouldContain("did not stop within 0.5 s");
        recorder.ProcessIds.Values.ShouldAllBe(id => IsGone(id));
    }

    [Fact]
    public async Task KillEndsTheRanksEvenDuringAGracefulStop()
    {
        using var cancellation = new CancellationTokenSource();
        var recorder = new Recorder { OnStarted = rank => cancellation.CancelAfter(rank == 1 ? 1 : Timeout.Infinite) };
        var running = Launcher.RunAsync(Run("sleep"), recorder, cancellation.Token);
        await Should.ThrowAsync<InvalidOperationException>(() => Launcher.RunAsync(Run("train"), new Recorder()));
        while (!cancellation.IsCancellationRequested)
        {
            await Task.Delay(10);
        }

        Launcher.Kill();

        (await running).Outcome.ShouldBe(LocalRunOutcome.Killed);
        recorder.ProcessIds.Values.ShouldAllBe(id => IsGone(id));
        Launcher.Kill();
        (await Launcher.RunAsync(Run("train"), new Recorder())).Outcome.ShouldBe(LocalRunOutcome.Finished);
    }

    [Fact]
    public async Task LogsAreAppendedToAndOnlyThisRunsLinesAreShown()
    {
        Directory.CreateDirectory(Path.Combine(Folder, "logs"));
        var path = Path.Combine(Folder, "logs", "rank-0.log");
        await File.WriteAllTextAsync(path, "earlier\n");

        var error = await Should.ThrowAsync<RankFailedException>(() => Launcher.RunAsync(Run("abort", 1), new Recorder()));

        (await File.ReadAllTextAsync(path)).ShouldStartWith("earlier\n");
        error.Failure.LastLogLines.ShouldNotContain("earlier");
    }

    [Fact]
    public async Task RunsThatCannotBeAreRefused()
    {
        (await Should.ThrowAsync<ArgumentException>(() => Launcher.RunAsync(Run("train", 0), new Recorder()))).Message.ShouldContain("rank processes are 0");
        (await Should.ThrowAsync<ArgumentException>(() => Launcher.RunAsync(Run("train") with { Threads = 0 }, new Recorder()))).Message.ShouldContain("threads are 0");
        (await Should.ThrowAsync<ArgumentException>(() => Launcher.RunAsync(Run("train") with { First = new JoinMessage(0, 1, 0, 3) }, new Recorder()))).Message.ShouldContain("has 3 ranks; allowed are 1 to the 2 processes");
        (await Should.ThrowAsync<ArgumentException>(() => Launcher.RunAsync(Run("train") with { PreloadLibrary = "/no/such.so" }, new Recorder()))).Message.ShouldContain("/no/such.so");
        (await Should.ThrowAsync<IOException>(() => Launcher.RunAsync(Run("train") with { LogFolder = "/dev/null/logs" }, new Recorder()))).Message.ShouldContain("/dev/null");
        await Should.ThrowAsync<OperationCanceledException>(() => Launcher.RunAsync(Run("train"), new Recorder(), new CancellationToken(canceled: true)));
    }

    [Fact]
    public async Task AnExceptionOfTheFollowerEndsTheRunWithIt()
    {
        var recorder = new Recorder { OnProgress = _ => throw new FormatException("the terminal has gone") };

        var error = await Should.ThrowAsync<InvalidOperationException>(() => Launcher.RunAsync(Run("graceful,sleep"), recorder));

        error.InnerException.ShouldBeOfType<FormatException>();
        error.Message.ShouldContain("the terminal has gone");
        recorder.ProcessIds.Values.ShouldAllBe(id => IsGone(id));
    }

    [Fact]
    public async Task AGenerationFollowsAnotherAndThoseOutsideWaitAndEndWithTheLast()
    {
        var recorder = new Recorder();
        var ends = new List<GenerationEnd>();
        JoinMessage[] orders = [new(0, 8, 0, 3, MustHold: true, CommittedStep: 4, UntilStep: 9), new(0, 9, 0, 1, MustHold: true, CommittedStep: 9)];
        var run = Run("steps:12", ranks: 3) with
        {
            First = new JoinMessage(0, 7, 0, 2, UntilStep: 4),
            Next = end =>
            {
                ends.Add(end);
                return orders[ends.Count - 1];
            },
        };

        var result = await Launcher.RunAsync(run, recorder);

        result.Outcome.ShouldBe(LocalRunOutcome.Finished);
        ends.ShouldBe([new GenerationEnd(7, 4, null, null), new GenerationEnd(8, 9, null, null)]);
        recorder.Joins.Select(join => (join.Joined.Generation, join.Rank)).Order().ShouldBe([(7, 0), (7, 1), (8, 0), (8, 1), (8, 2), (9, 0)]);
        recorder.AllProgress.Select(item => (item.Progress.Step, item.Progress.Generation, item.Progress.WorldSize))
            .ShouldBe(Enumerable.Range(1, 12).Select(step => ((long)step, step <= 4 ? 7 : step <= 9 ? 8 : 9, step <= 4 ? 2 : step <= 9 ? 3 : 1)));
        (result.Summaries[0], result.Summaries[1], result.Summaries[2]).ShouldSatisfyAllConditions(
            all => all.Item1.ShouldNotBeNull(), all => all.Item2.ShouldBeNull(), all => all.Item3.ShouldBeNull());
        recorder.ProcessIds.Values.ShouldAllBe(id => IsGone(id));
    }

    [Fact]
    public async Task WhenNobodySaysHowToGoOnAfterABadLossTheRunFailsForGood()
    {
        var error = await Should.ThrowAsync<RankFailedException>(() => Launcher.RunAsync(Run("bad-loss:3"), new Recorder()));

        error.Failure.Reason.ShouldBe("the loss is NaN");
        error.Failure.Permanent.ShouldBeTrue();
    }

    [Fact]
    public async Task AnExceptionOfWhoSaysHowToGoOnEndsTheRunWithIt()
    {
        var recorder = new Recorder();

        (await Should.ThrowAsync<FormatException>(() => Launcher.RunAsync(Run("bad-loss:3") with { Next = _ => throw new FormatException("no") }, recorder))).Message.ShouldBe("no");

        recorder.ProcessIds.Values.ShouldAllBe(id => IsGone(id));
    }
}
