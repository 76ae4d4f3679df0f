using System.Diagnostics;
using Linformer.Chaos;
using Linformer.Chaos.Faults;
using Linformer.Chaos.Network;

namespace Chaos;

/// <summary>Real processes, random faults from a fixed seed. <c>./linformer bench chaos</c> does the same at length.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class ChaosTests
{
    private static string Program => Path.Combine(AppContext.BaseDirectory, "Linformer.Cli");

    [SkippableFact]
    public async Task A_job_survives_every_kind_of_fault_and_its_weights_are_those_of_its_replay()
    {
        Skip.IfNot(MachineNetwork.IsPossible, "networks that can be cut need root, ip and tc");
        var lines = new List<string>();
        var options = new ChaosOptions { Program = Program, Seed = 4, Faults = 12, Steps = 1200, OnLine = lines.Add };

        var report = await ChaosRun.RunAsync(options, CancellationToken.None);

        report.Failures.ShouldBeEmpty(string.Join('\n', lines));
        // Faults last for times, steps for as long as the machine takes: on a fast one the job may end before the last faults.
        (report.Faults + report.LeftOut.Length).ShouldBe(options.Faults);
        report.Faults.ShouldBeGreaterThanOrEqualTo(options.Faults / 2);
    }

    [SkippableFact]
    public async Task A_job_goes_on_from_its_newest_whole_checkpoint_when_all_ranks_are_killed()
    {
        Skip.IfNot(MachineNetwork.IsPossible, "a disk that can be filled needs root");
        var lines = new List<string>();
        var options = new ChaosOptions
        {
            Program = Program,
            Seed = 1,
            Faults = 6,
            Steps = 400,
            Kinds = [FaultKind.KillAllRanks, FaultKind.DamageCheckpoint, FaultKind.FillDisk],
            OnLine = lines.Add,
        };

        var report = await ChaosRun.RunAsync(options, CancellationToken.None);

        report.Failures.ShouldBeEmpty(string.Join('\n', lines));
        report.Recomputed.ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task Jobs_go_on_whenever_the_coordinator_is_killed()
    {
        var lines = new List<string>();
        var options = new CoordinatorRunOptions { Program = Program, Seed = 1, Jobs = 5, Kills = 10, OnLine = lines.Add };

        var (kills, _, failures) = await CoordinatorRun.RunAsync(options, CancellationToken.None);

        failures.ShouldBeEmpty(string.Join('\n', lines));
        kills.ShouldBe(options.Kills);
    }

    [Theory]
    [InlineData("--kinds Nonsense", "Nonsense")]
    [InlineData("--workers 0", "--workers is 0")]
    [InlineData("--workers 1", "--workers is 1")]
    [InlineData("--kinds KillRank Foo", "--kinds is 'Foo'; allowed are KillRank, ")]
    [InlineData("--steps 19", "--steps is 19")]
    [InlineData("--minutes 0", "--minutes is 0")]
    public async Task Options_that_make_no_sense_are_clear_errors(string arguments, string named)
    {
        var start = new ProcessStartInfo(Program, ["bench", "chaos", .. arguments.Split(' ')]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;

        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();

        process.ExitCode.ShouldBe(1);
        error.ShouldContain(named);
        error.ShouldNotContain("   at ");
    }
}
