using System.CommandLine;
using Linformer.Bench;
using Linformer.Cli.Commands.Options;
using Linformer.Coordinator.Storage;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench metrics</c>: how soon the metrics of a long job are drawn, beside reading its rows.</summary>
internal static class MetricsBench
{
    private const int MostSteps = 100_000_000;
    private const int MostPoints = 4000;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var defaults = new MetricsBenchmarkOptions();
        var steps = CountOption.Create("--steps", "Steps of the job that is drawn", defaults.Steps, MostSteps);
        var points = CountOption.Create("--points", "Points of the drawing", defaults.Points, MostPoints);
        var database = new Option<string?>("--database")
        {
            Description = "An empty database of a PostgreSQL server; it is filled. SQLite in a temporary folder without it",
            HelpName = "URI",
        };
        var command = new Command("metrics", "The metrics of a long job as a drawing needs them, beside reading its rows") { steps, points, database };
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var options = defaults with { Steps = parsed.GetValue(steps), Points = parsed.GetValue(points), Database = parsed.GetValue(database) };
            try
            {
                // The table grows as it is measured; as JSON only the result is printed.
                var measures = await MetricsBenchmark.RunAsync(options, context.Format == OutputFormat.Json ? TextWriter.Null : context.Output, cancellation);
                context.WriteResult(measures.Select(one => new { one.What, one.Milliseconds, one.RowsMilliseconds, one.Ratio, one.RowsPerSecond }), _ => { });
                return ExitCodes.Success;
            }
            catch (Exception error) when (error is StorageException or FormatException)
            {
                throw new CommandException(error.Message);
            }
        });
        return command;
    }
}
