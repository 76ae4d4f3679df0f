using System.CommandLine;
using Linformer.Bench.Dashboard;
using Linformer.Cli.Commands.Options;
using Linformer.Coordinator.Storage;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench dashboard</c>: how soon the page of a long job is there, and what open dashboards cost the coordinator.</summary>
internal static class DashboardBench
{
    private const int MostPoints = 100_000_000;
    private const int MostDashboards = 1000;
    private const int MostSeconds = 3600;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var defaults = new DashboardBenchmarkOptions { Program = Environment.ProcessPath! };
        var points = CountOption.Create("--points", "Points of the job whose page is opened", defaults.Points, MostPoints);
        var dashboards = CountOption.Create("--dashboards", "Dashboards that are open at the same time", defaults.Dashboards, MostDashboards);
        var seconds = CountOption.Create("--seconds", "For how many seconds processor time is measured", defaults.Seconds, MostSeconds);
        var command = new Command("dashboard", "The page of a job of a million points in Chromium, and the cost of open dashboards") { points, dashboards, seconds };
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var options = defaults with
            {
                Points = parsed.GetValue(points),
                Dashboards = parsed.GetValue(dashboards),
                Seconds = parsed.GetValue(seconds),
                OnLine = context.Note,
            };
            try
            {
                var measures = await DashboardBenchmark.RunAsync(options, cancellation);
                context.WriteResult(measures, output =>
                {
                    foreach (var measure in measures)
                        output.WriteLine(DashboardBenchmark.Line(measure));
                });
                return ExitCodes.Success;
            }
            catch (Exception error) when (error is StorageException or InvalidOperationException or TimeoutException)
            {
                throw new CommandException(error.Message);
            }
        });
        return command;
    }
}
