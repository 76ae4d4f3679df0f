using System.CommandLine;
using System.Text.Json;
using Linformer.Chaos.Recovery;
using Linformer.Cli.Commands.Options;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench recovery</c>: how soon training goes on after the loss of a rank, beside PyTorch's elastic agent.</summary>
internal static class RecoveryBench
{
    private const int MostKills = 1000;
    private const int MostWait = 3600;

    /// <summary>The goals that are shown with the results; the first adds one step.</summary>
    private static readonly TimeSpan NextStepGoal = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan AllRanksGoal = TimeSpan.FromSeconds(3);

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var kills = CountOption.Create("--kills", "How often a rank is killed; the median counts", 5, MostKills);
        var wait = CountOption.Create("--wait", "Seconds after which what was not noticed counts as not noticed", 60, MostWait);
        var command = new Command("recovery", "The loss of one of two ranks, beside PyTorch's elastic agent") { kills, wait };
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var options = new RecoveryOptions
            {
                Program = Environment.ProcessPath!,
                Kills = parsed.GetValue(kills),
                Wait = TimeSpan.FromSeconds(parsed.GetValue(wait)),
                OnLine = context.Note,
            };
            try
            {
                var results = await RecoveryBenchmark.RunAsync(options, cancellation);
                Write(context, results, options);
                return ExitCodes.Success;
            }
            catch (Exception error) when (error is InvalidOperationException or TimeoutException)
            {
                throw new CommandException(error.Message);
            }
        });
        return command;
    }

    private static void Write(CommandContext context, IReadOnlyList<RecoveryMeasures> results, RecoveryOptions options)
    {
        var ours = results[0];
        var rows = new List<Row>
        {
            Row.Of("one step, undisturbed", results, r => r.Step?.TotalSeconds),
            Row.Of("kill -9 of a rank → next step", results, r => r.NextStep?.TotalSeconds, goal: (NextStepGoal + (ours.Step ?? TimeSpan.Zero)).TotalSeconds),
            Row.Of("kill -9 of a rank → all ranks train", results, r => r.AllRanks?.TotalSeconds, goal: AllRanksGoal.TotalSeconds),
            Row.Of("steps lost by a kill", results, r => r.StepsLost, goal: 0, unit: "steps"),
            Row.Of("SIGSTOP of a rank → noticed", results, r => r.StoppedNoticed?.TotalSeconds, missing: options.Wait.TotalSeconds),
            Row.Of("network cut → noticed", results, r => r.CutNoticed?.TotalSeconds, missing: options.Wait.TotalSeconds),
        };
        if (context.Format == OutputFormat.Json)
        {
            context.Output.WriteLine(JsonSerializer.Serialize(
                new { systems = results.Select(r => r.System), options.Kills, waitSeconds = options.Wait.TotalSeconds, rows }, CommandContext.JsonOptions));
            return;
        }

        var output = context.Output;
        output.WriteLine($"two ranks on this machine, median of {options.Kills} kills; seconds, and how many times ours");
        output.WriteLine($"{"",-37}{string.Concat(results.Select((r, i) => r.System.PadLeft(i == 0 ? 10 : 22)))}   goal");
        foreach (var row in rows)
            output.WriteLine(row.Text(options.Wait));
        output.WriteLine("Ours counts a step when the coordinator shows it as committed, the elastic agent's when a rank has taken it.");
        output.WriteLine("Noticed: ours when the job's history tells of it; the elastic agent's when it ends a rank that is left, to start it again.");
    }

    /// <summary>One measure of all systems; a value is null where it was not measured or did not happen in time.</summary>
    private sealed record Row(string What, string Unit, IReadOnlyList<double?> Values, IReadOnlyList<double?> Ratios, double? Goal, bool? Reached)
    {
        public static Row Of(
            string what, IReadOnlyList<RecoveryMeasures> results, Func<RecoveryMeasures, double?> value, double? goal = null, double? missing = null, string unit = "s")
        {
            var values = results.Select(value).ToList();
            // Of what did not happen in time, the ratio is at least that of the time.
            var ratios = values.Skip(1).Select(other => values[0] > 0 ? (other ?? missing) / values[0] : null).ToList();
            return new Row(what, unit, values, ratios, goal, goal is null ? null : values[0] <= goal);
        }

        public string Text(TimeSpan wait)
        {
            var cells = Values.Select((value, i) => i == 0
                ? $"{Number(value, wait),10}"
                : $"{$"{Number(value, wait)}{(Ratios[i - 1] is { } ratio ? $"  {(value is null ? "> " : "")}{ratio:0.0}x" : "")}",22}");
            var goal = Goal is { } g ? $"   {(Unit == "s" ? $"{g:0.00} s" : $"{g:0}")}: {(Reached == true ? "reached" : "not reached")}" : "";
            return $"{What,-37}{string.Concat(cells)}{goal}";
        }

        private string Number(double? value, TimeSpan wait) => value switch
        {
            null => $"not in {wait.TotalSeconds:0} s",
            { } steps when Unit != "s" => $"{steps:0.#}",
            { } seconds => $"{seconds:0.000}",
        };
    }
}
