using System.Diagnostics;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Tests.Local;

[Trait("Lane", "Processes")]
public sealed class RankFailureTests : LauncherFixture
{
    [Fact]
    public async Task ACrashShowsRankExitCodeAndTheLastTwentyLogLines()
    {
        var recorder = new Recorder();

        var error = await FailAsync("sleep,crash", recorder);

        error.Failure.Rank.ShouldBe(1);
        error.Failure.ExitCode.ShouldBe(3);
        error.Failure.Signal.ShouldBeNull();
        error.Failure.LastLogLines.ShouldBe([.. Enumerable.Range(12, 19).Select(i => $"line {i} of the log"), "the last words"]);
        error.Others.ShouldBeEmpty();
        error.Message.ShouldStartWith("Rank 1 exited with code 3.\n");
        error.Message.ShouldEndWith("\n  line 30 of the log\n  the last words");
        error.Message.ShouldContain(Path.Combine(Folder, "logs", "rank-1.log"));
        recorder.Lines.Count(item => item.Rank == 1).ShouldBe(31);
        recorder.ProcessIds.Values.ShouldAllBe(id => IsGone(id));
    }

    [Theory]
    [InlineData("abort", 134, "SIGABRT")]
    [InlineData("segmentation-fault", 139, "SIGSEGV")]
    public async Task ANativeCrashShowsItsSignal(string mode, int exitCode, string signal)
    {
        var error = await FailAsync($"{mode},sleep", new Recorder());

        error.Failure.Rank.ShouldBe(0);
        error.Failure.ExitCode.ShouldBe(exitCode);
        error.Failure.Signal.ShouldBe(signal);
        error.Message.ShouldStartWith($"Rank 0 was ended by {signal} (exit code {exitCode})");
    }

    [Fact]
    public async Task AKilledRankShowsSigkillAndTheOthersAreEnded()
    {
        Recorder recorder = null!;
        recorder = new Recorder
        {
            OnProgress = rank => Signal("KILL", recorder.ProcessIds[rank]),
        };

        var error = await FailAsync("sleep,graceful,sleep", recorder, ranks: 3);

        error.Failure.Rank.ShouldBe(1);
        error.Failure.ExitCode.ShouldBe(137);
        error.Failure.Signal.ShouldBe("SIGKILL");
        error.Others.ShouldBeEmpty();
        recorder.ProcessIds.Count.ShouldBe(3);
        recorder.ProcessIds.Values.ShouldAllBe(id => IsGone(id));
    }

    [Fact]
    public async Task AnUnhandledExceptionIsInTheLogLines()
    {
        var error = await FailAsync("exception", new Recorder(), ranks: 1);

        error.Failure.Signal.ShouldBe("SIGABRT");
        error.Message.ShouldContain("the tensor has no shape");
    }

    [Fact]
    public async Task ARanksOwnWordsAreTheReason()
    {
        (await FailAsync("sleep,failed", new Recorder())).Failure.Reason.ShouldBe("failed: the loss is NaN at step 7");
        (await FailAsync("failed-long", new Recorder(), ranks: 1)).Failure.Reason.Length.ShouldBeLessThan(30_000);
    }

    [Fact]
    public async Task TheCauseIsTheRankThatFailedByItselfNotTheOneThatLostIt()
    {
        var error = await Should.ThrowAsync<RankFailedException>(() =>
            Launcher.RunAsync(Run("peer-lost,late-crash") with { FailureGrace = TimeSpan.FromSeconds(60) }, new Recorder()));

        error.Failure.Rank.ShouldBe(1);
        error.Failure.ExitCode.ShouldBe(4);
        error.Others.ShouldHaveSingleItem().Rank.ShouldBe(0);
        error.Message.ShouldContain("Then rank 0 failed: the connection was closed.");
    }

    [Fact]
    public async Task WhatAnotherTryWouldRepeatIsMarked()
    {
        var error = await Should.ThrowAsync<RankFailedException>(() =>
            Launcher.RunAsync(Run("sleep,sleep,sleep,failed-for-good", 4), new Recorder()));

        (error.Failure.Rank, error.Failure.Permanent, error.Failure.PeerLost).ShouldBe((3, true, false));
        (await FailAsync("failed", new Recorder(), ranks: 1)).Failure.Permanent.ShouldBeFalse();
    }

    [Fact]
    public async Task EndingBeforeTheJobIsDoneIsAFailure() =>
        (await FailAsync("unfinished,sleep", new Recorder())).Message.ShouldStartWith("Rank 0 exited with code 0 before the job was done.");

    [Theory]
    [InlineData("malformed", "sent a line that is no message: 'this is no message'")]
    [InlineData("oversized", "sent a line of more than 1048576 bytes")]
    [InlineData("rendezvous-flood", "all values together may have 67108864")]
    [InlineData("rendezvous-elsewhere", "used the rendezvous key 'key' of generation 8, which it was not told to join")]
    public async Task ARankThatDoesNotKeepToTheProtocolFails(string mode, string reason)
    {
        var recorder = new Recorder();

        var error = await FailAsync(mode, recorder, ranks: 1);

        error.Failure.Reason.ShouldContain(reason);
        recorder.ProcessIds.Values.ShouldAllBe(id => IsGone(id));
    }

    [Fact]
    public async Task ACommandThatDoesNotExistIsNamed()
    {
        var error = await Should.ThrowAsync<RankFailedException>(() => Launcher.RunAsync(Run("x") with { Command = "/no/such/program" }, new Recorder()));

        error.Failure.ExitCode.ShouldBe(127);
        error.Message.ShouldContain("/no/such/program: not found");
    }

    [Fact]
    public async Task ACommandsArgumentsArriveAsTheyAre()
    {
        var run = Run("x", 1) with { Command = "printf", Arguments = ["%s|", "a b", "$HOME", "'\"", "*"] };

        var error = await Should.ThrowAsync<RankFailedException>(() => Launcher.RunAsync(run, new Recorder()));

        // Without a line break it is no line, so the command only seems to have ended too early.
        error.Failure.Reason.ShouldBe("exited with code 0 before the job was done");
        run = run with { Command = "sh", Arguments = ["-c", "printf '%s|' \"$@\" >&2", "sh", "a b", "$HOME", "'\"", "*"] };
        error = await Should.ThrowAsync<RankFailedException>(() => Launcher.RunAsync(run, new Recorder()));
        error.Failure.LastLogLines.ShouldBe(["a b|$HOME|'\"|*|"]);
    }

    [Fact]
    public async Task RanksEndWithTheirLauncher()
    {
        using var launcher = Process.Start(new ProcessStartInfo(TestRank, ["launch", Folder]) { UseShellExecute = false, RedirectStandardOutput = true })!;
        var ranks = new[] { int.Parse((await launcher.StandardOutput.ReadLineAsync())!), int.Parse((await launcher.StandardOutput.ReadLineAsync())!) };
        await Task.Delay(500);
        ranks.ShouldAllBe(id => !IsGone(id));

        launcher.Kill();

        await launcher.WaitForExitAsync();
        foreach (var rank in ranks)
        {
            await WaitUntilGoneAsync(rank);
        }
    }

    [Fact]
    public async Task ARankThatIsStoppedEndsWithItsLauncherToo()
    {
        using var launcher = Process.Start(new ProcessStartInfo(TestRank, ["launch", Folder]) { UseShellExecute = false, RedirectStandardOutput = true })!;
        var ranks = new[] { int.Parse((await launcher.StandardOutput.ReadLineAsync())!), int.Parse((await launcher.StandardOutput.ReadLineAsync())!) };
        // From when they have taken their pipes on.
        await WaitForLogAsync("rank-0.log");
        await WaitForLogAsync("rank-1.log");
        Array.ForEach(ranks, id => Signal("STOP", id));

        launcher.Kill();

        await launcher.WaitForExitAsync();
        foreach (var rank in ranks)
        {
            await WaitUntilGoneAsync(rank);
        }
    }

    [Fact]
    public async Task AGenerationThatBreaksWithoutALostRankFailsTheRunWithTheReason()
    {
        var run = Run("breaks:5,steps") with { First = new JoinMessage(0, 1, 0, 2), FailureGrace = TimeSpan.FromMilliseconds(300) };

        var error = await Should.ThrowAsync<RankFailedException>(() => Launcher.RunAsync(run, new Recorder()));

        error.Message.ShouldStartWith("Rank 0 lost rank 1: the connection was closed.");
        error.Others.ShouldBeEmpty();
    }

    [Fact]
    public async Task ALostRankIsTheCauseOfABrokenGeneration()
    {
        Recorder recorder = null!;
        recorder = new Recorder
        {
            OnProgress = rank => Signal("KILL", recorder.ProcessIds[1]),
        };

        var error = await Should.ThrowAsync<RankFailedException>(() =>
            Launcher.RunAsync(Run("breaks:1,waits") with { First = new JoinMessage(0, 1, 0, 2), FailureGrace = TimeSpan.FromSeconds(60) }, recorder));

        (error.Failure.Rank, error.Failure.Signal).ShouldBe((1, "SIGKILL"));
        error.Others.ShouldBeEmpty();
    }

    [Fact]
    public async Task WhatHappensToAProcessAfterItsJobIsNoFailure() =>
        (await Launcher.RunAsync(Run("crash-after-its-job"), new Recorder())).Outcome.ShouldBe(LocalRunOutcome.Finished);

    [Fact]
    public async Task AStoppedRankIsKilledWithTheOthers()
    {
        Recorder recorder = null!;
        recorder = new Recorder
        {
            OnProgress = rank =>
            {
                Signal("STOP", recorder.ProcessIds[rank]);
                Signal("KILL", recorder.ProcessIds[1 - rank]);
            },
        };

        var error = await FailAsync("graceful,sleep", recorder);

        error.Failure.Rank.ShouldBe(1);
        recorder.ProcessIds.Values.ShouldAllBe(id => IsGone(id));
    }

    [Fact]
    public void ARankProcessThatIsStartedByHandSaysSo()
    {
        using var process = Process.Start(new ProcessStartInfo(TestRank, "train") { UseShellExecute = false, RedirectStandardError = true })!;
        process.StandardError.ReadToEnd().ShouldContain("only a launcher can start");
        process.WaitForExit();
        process.ExitCode.ShouldNotBe(0);
    }

    private async Task WaitForLogAsync(string name)
    {
        using var giveUp = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var path = Path.Combine(Folder, name);
        while (!File.Exists(path) || !(await File.ReadAllTextAsync(path, giveUp.Token)).Contains("joined", StringComparison.Ordinal))
        {
            await Task.Delay(20, giveUp.Token);
        }
    }

    private Task<RankFailedException> FailAsync(string modes, Recorder recorder, int ranks = 2) =>
        Should.ThrowAsync<RankFailedException>(() => Launcher.RunAsync(Run(modes, ranks), recorder));
}
