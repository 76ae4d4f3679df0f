using System.Text.Json;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Tests.Local;

[Trait("Lane", "Processes")]
public sealed class LocalLauncherTests : LauncherFixture
{
    [Fact]
    public async Task RanksGetTheirWorkAndTheirReportsArrive()
    {
        var recorder = new Recorder();

        var result = await Launcher.RunAsync(Run("train") with { Generation = 7, Lineage = 2, Threads = 3, ResumeFrom = "l0002-g0006-s00000001" }, recorder);

        result.Outcome.ShouldBe(LocalRunOutcome.Finished);
        for (var rank = 0; rank < 2; rank++)
        {
            JsonSerializer.Deserialize<StartMessage>(result.Summaries[rank]!).ShouldBe(new StartMessage(
                rank, 2, 2, 7, 3, """{"name":"brown ☃"}""", Folder, Path.Combine(Folder, "corpus"), Path.Combine(Folder, "run"), Path.Combine(Folder, "model"), "l0002-g0006-s00000001"));
            var progress = recorder.AllProgress.Where(item => item.Rank == rank).Select(item => item.Progress).ToList();
            progress.Select(p => p.Step).ShouldBe([1, 2, 3, 4, 5]);
            progress[1].ShouldBe(new ProgressMessage(2, 5, 5.0, 1e-3, 1000));
            progress[4].HeldOutLoss.ShouldBe(double.NaN);
            recorder.Checkpoints.Where(item => item.Rank == rank).Select(item => item.Checkpoint)
                .ShouldBe([new CheckpointedMessage("l0000-g0001-s00000005", Path.Combine(Folder, "run"))]);
            IsGone(recorder.ProcessIds[rank]).ShouldBeTrue();
        }

        Events.ShouldAllBe(e => e.Properties["Generation"].ToString() == "7");
        Events.Select(e => e.Properties["Rank"].ToString()).Distinct().Order().ShouldBe(["0", "1"]);
    }

    [Fact]
    public async Task OnlyTheRanksOfThisMachineAreStarted()
    {
        var recorder = new Recorder();

        var result = await Launcher.RunAsync(
            Run("train", 4) with { Ranks = [1, 3], ListenAddress = "0.0.0.0", AdvertisedAddress = "10.0.0.1", LogPrefix = "g0001-" }, recorder);

        result.Summaries.Select(json => JsonSerializer.Deserialize<StartMessage>(json!)!).Select(start => (start.Rank, start.WorldSize, start.ListenAddress, start.AdvertisedAddress))
            .ShouldBe([(1, 4, "0.0.0.0", "10.0.0.1"), (3, 4, "0.0.0.0", "10.0.0.1")]);
        recorder.ProcessIds.Keys.Order().ShouldBe([1, 3]);
        Directory.GetFiles(Path.Combine(Folder, "logs")).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(["g0001-rank-1.log", "g0001-rank-3.log"]);
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
    public async Task SignalsOfTheTerminalDoNotEndARank()
    {
        using var cancellation = new CancellationTokenSource();
        Recorder recorder = null!;
        recorder = new Recorder
        {
            OnProgress = rank =>
            {
                Signal("INT", recorder.ProcessIds[rank]);
                Signal("HUP", recorder.ProcessIds[rank]);
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
        (await Should.ThrowAsync<ArgumentException>(() => Launcher.RunAsync(Run("train", 0), new Recorder()))).Message.ShouldContain("world size is 0");
        (await Should.ThrowAsync<ArgumentException>(() => Launcher.RunAsync(Run("train") with { Threads = 0 }, new Recorder()))).Message.ShouldContain("threads are 0");
        foreach (var ranks in new int[][] { [], [2], [-1], [1, 1] })
        {
            (await Should.ThrowAsync<ArgumentException>(() => Launcher.RunAsync(Run("train") with { Ranks = ranks }, new Recorder()))).Message.ShouldContain("different numbers from 0 to 1");
        }

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
}
