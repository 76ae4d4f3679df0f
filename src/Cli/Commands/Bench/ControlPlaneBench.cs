using System.CommandLine;
using Linformer.Bench.ControlPlane;
using Linformer.Cli.Commands.Options;
using Linformer.Coordinator.Storage;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench control-plane</c>: what one coordinator bears.</summary>
internal static class ControlPlaneBench
{
    private const int MostWorkers = 10_000;
    private const int MostJobs = 5000;
    private const int MostPoints = 1_000_000;
    private const int MostSeconds = 86_400;
    private const int MostSubmissions = 100;
    private const int MostHours = 240;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var defaults = new ControlPlaneOptions { Program = Environment.ProcessPath! };
        var workers = CountOption.Create("--workers", "Simulated workers of one slot", defaults.Workers, MostWorkers);
        var jobs = CountOption.Create("--jobs", "Jobs of one to four ranks that run all the time", defaults.Jobs, MostJobs);
        var points = CountOption.Create("--points", "Metric points a second of all jobs together", defaults.Points, MostPoints);
        var seconds = CountOption.Create("--seconds", "For how many seconds all is measured", defaults.Seconds, MostSeconds);
        var submissions = CountOption.Create("--submissions", "Short jobs that are submitted a second meanwhile", defaults.Submissions, MostSubmissions);
        var hours = CountOption.Create("--history-hours", "Hours of the job whose metrics are drawn meanwhile", defaults.HistoryHours, MostHours, least: 0);
        var command = new Command("control-plane", "One coordinator with a thousand simulated workers: heartbeats, submissions, metric points, memory")
        {
            workers, jobs, points, seconds, submissions, hours,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var options = defaults with
            {
                Workers = parsed.GetValue(workers),
                Jobs = parsed.GetValue(jobs),
                Points = parsed.GetValue(points),
                Seconds = parsed.GetValue(seconds),
                Submissions = parsed.GetValue(submissions),
                HistoryHours = parsed.GetValue(hours),
                OnLine = context.Note,
            };
            try
            {
                var measures = await ControlPlaneBenchmark.RunAsync(options, cancellation);
                context.WriteResult(measures, output =>
                {
                    foreach (var measure in measures)
                        output.WriteLine(ControlPlaneBenchmark.Line(measure));
                });
                return ExitCodes.Success;
            }
            catch (Exception error) when (error is StorageException or InvalidOperationException or TimeoutException or HttpRequestException)
            {
                throw new CommandException(error.Message);
            }
        });
        return command;
    }
}
