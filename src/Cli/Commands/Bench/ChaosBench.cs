using System.CommandLine;
using System.CommandLine.Parsing;
using Linformer.Chaos;
using Linformer.Chaos.Faults;
using Linformer.Cli.Commands.Options;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench chaos</c>: a cluster of real processes on which random things go wrong.</summary>
internal static class ChaosBench
{
    private const int MostWorkers = 16;
    private const int MostFaults = 10_000;
    private const int MostSteps = 1_000_000;
    private const int MostMinutes = 10_000;

    private enum Scenario
    {
        Faults,
        Coordinator,
    }

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var minutes = new Option<int?>("--minutes") { Description = "Begin further runs, each with the next seed, for so long (default: one run)", HelpName = "N" };
        minutes.Validators.Add(result =>
        {
            if (result.TryGet<int?>(out var value) && value is < 1 or > MostMinutes)
                result.AddError($"--minutes is {value}; allowed are 1 to {MostMinutes}.");
        });
        var seed = new Option<int?>("--seed") { Description = "Decides everything that is random (default: drawn, and printed)", HelpName = "S" };
        var faults = CountOption.Create("--faults", "Faults of a run, or kills of the coordinator", 100, MostFaults);
        var steps = CountOption.Create("--steps", "Steps of the job that the faults are spread over", 2000, MostSteps);
        var workers = CountOption.Create("--workers", "Workers of one slot each", 3, MostWorkers);
        var kinds = new Option<FaultKind[]>("--kinds")
        {
            Description = $"Only faults of these kinds: {string.Join(", ", Enum.GetNames<FaultKind>())} (default: all that this user can cause, but KillAllRanks, which loses steps)",
            HelpName = "KIND",
            AllowMultipleArgumentsPerToken = true,
            CustomParser = result => [.. result.Tokens.Select(token => KindOf(token.Value, result))],
        };
        var scenario = new Option<Scenario>("--scenario")
        {
            Description = "faults: everything goes wrong during one job; coordinator: it is killed again and again during many small jobs",
            DefaultValueFactory = _ => Scenario.Faults,
        };
        var command = new Command("chaos", "Let random things go wrong on a cluster of this machine, and check that nothing is lost")
        {
            minutes, seed, faults, steps, workers, kinds, scenario,
        };
        command.WithExamples(
            "bench chaos --seed 7                       # 100 faults during one job",
            "bench chaos --minutes 30 --seed 1 --kinds KillRank KillCoordinator",
            "bench chaos --kinds KillAllRanks DamageCheckpoint FillDisk --faults 12   # checkpoints under fire",
            "bench chaos --scenario coordinator --faults 20");
        command.SetAction((parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var chosen = parsed.GetValue(seed) ?? Random.Shared.Next(1_000_000);
            var time = TimeSpan.FromMinutes(parsed.GetValue(minutes) ?? 0);
            if (parsed.GetValue(scenario) == Scenario.Coordinator)
            {
                // Each job takes some seconds, in which the coordinator is killed twice.
                var kills = parsed.GetResult(faults) is { Implicit: false } ? parsed.GetValue(faults) : 20;
                return KillCoordinatorAsync(context, chosen, kills, cancellation);
            }

            var options = new ChaosOptions
            {
                Program = Environment.ProcessPath!,
                Seed = chosen,
                Faults = parsed.GetValue(faults),
                Steps = parsed.GetValue(steps),
                Workers = parsed.GetValue(workers),
                OnLine = context.Note,
            };
            if (parsed.GetValue(kinds) is { Length: > 0 } only)
                options = options with { Kinds = [.. only.Distinct()] };
            return RunAsync(context, options, time, cancellation);
        });
        return command;
    }

    private static FaultKind KindOf(string word, ArgumentResult result)
    {
        var names = Enum.GetNames<FaultKind>();
        if (Array.Find(names, name => name.Equals(word, StringComparison.OrdinalIgnoreCase)) is { } known)
            return Enum.Parse<FaultKind>(known);
        result.AddError($"--kinds is '{word}'; allowed are {string.Join(", ", names)}.");
        return default;
    }

    private static async Task<int> RunAsync(CommandContext context, ChaosOptions options, TimeSpan time, CancellationToken cancellation)
    {
        Check(options);
        var reports = await ChaosSeries.RunAsync(
            options, time,
            report => context.WriteResult(
                new { report.Seed, succeeded = report.Failures.IsEmpty, report.Failures, report.Faults, report.LeftOut, report.Steps, report.Generations, report.Recomputed, seconds = report.Elapsed.TotalSeconds },
                output => Write(output, report)),
            cancellation);
        return reports.All(report => report.Failures.IsEmpty) ? ExitCodes.Success : ExitCodes.Failure;
    }

    private static async Task<int> KillCoordinatorAsync(CommandContext context, int seed, int kills, CancellationToken cancellation)
    {
        var options = new CoordinatorRunOptions { Program = Environment.ProcessPath!, Seed = seed, Kills = kills, Jobs = Math.Max(1, kills / 2), OnLine = context.Note };
        var result = await CoordinatorRun.RunAsync(options, cancellation);
        context.WriteResult(
            new { seed, succeeded = result.Failures.IsEmpty, result.Failures, result.Kills, options.Jobs },
            output => WriteEnd(output, result.Failures, $"seed {seed}: the coordinator was killed {result.Kills} times during {options.Jobs} jobs", result.Folder));
        return result.Failures.IsEmpty ? ExitCodes.Success : ExitCodes.Failure;
    }

    private static void Check(ChaosOptions options)
    {
        var impossible = options.Kinds.Except(ChaosOptions.PossibleKinds).ToList();
        if (impossible.Count > 0)
            throw new CommandException($"{string.Join(", ", impossible)}: these kinds of faults need root, ip and tc.");
        if (options.Steps < 20)
            throw new CommandException($"--steps is {options.Steps}; at least 20 are needed to spread faults over.");
        if (options.Workers < 2 && options.Kinds.Any(kind => kind is not (FaultKind.KillCoordinator or FaultKind.StopCoordinator or FaultKind.FillDisk or FaultKind.DamageCheckpoint or FaultKind.NarrowLink or FaultKind.KillAllRanks)))
            throw new CommandException("--workers is 1; faults that take a rank need at least 2, so that another one holds the model.");
    }

    private static void Write(TextWriter output, ChaosReport report)
    {
        foreach (var fault in report.LeftOut)
            output.WriteLine($"left out: {fault}");
        WriteEnd(
            output, report.Failures,
            $"seed {report.Seed}: {report.Faults} faults, {report.Steps} steps, {report.Generations} generations, {report.Recomputed} committed steps lost, {report.Elapsed.TotalSeconds:0} s",
            report.Folder);
    }

    private static void WriteEnd(TextWriter output, IReadOnlyList<string> failures, string summary, string folder)
    {
        foreach (var failure in failures)
            output.WriteLine($"FAILED: {failure}");
        output.WriteLine(failures.Count == 0 ? $"{summary}: all is well" : $"{summary}: FAILED; logs are in {folder}");
    }
}
