using System.CommandLine;
using Linformer.Coordinator;

namespace Linformer.Cli.Commands.Options;

/// <summary>The options that say how much telemetry stays in a coordinator's database.</summary>
internal sealed class RetentionOptionSet
{
    private const int MostDays = 36_500;
    private const int MostLines = 1_000_000_000;
    private static readonly RetentionOptions Defaults = new();

    private readonly Option<int> _keepLogs = CountOption.Create(
        "--keep-logs-days", "The database keeps the log lines and all metrics of a job for so many days after its end; 0 for ever", (int)Defaults.KeepLogs.TotalDays, MostDays, least: 0);

    private readonly Option<int> _logLines = CountOption.Create(
        "--max-log-lines-per-job", "The database keeps so many of the newest log lines of a job; 0 for all", Defaults.LogLinesPerJob, MostLines, least: 0);

    private readonly Option<int> _keepEvents = CountOption.Create(
        "--keep-events-days", "The database keeps the events of the cluster for so many days; 0 for ever", (int)Defaults.KeepEvents.TotalDays, MostDays, least: 0);

    /// <summary>Gives a command the options.</summary>
    public void AddTo(Command command)
    {
        command.Add(_keepLogs);
        command.Add(_logLines);
        command.Add(_keepEvents);
    }

    /// <summary>How much stays.</summary>
    public RetentionOptions Value(ParseResult parsed) => Defaults with
    {
        KeepLogs = TimeSpan.FromDays(parsed.GetValue(_keepLogs)),
        LogLinesPerJob = parsed.GetValue(_logLines),
        KeepEvents = TimeSpan.FromDays(parsed.GetValue(_keepEvents)),
    };
}
