using System.Globalization;
using Linformer.Worker.RankProtocol;
using Serilog;
using Serilog.Core;
using Serilog.Events;

namespace Linformer.Worker.Ranks;

/// <summary>Where in the job's membership a rank process is: it changes from generation to generation.</summary>
internal sealed class LogPlace : ILogEventEnricher
{
    private volatile JoinMessage? _join;

    /// <summary>The process joins a generation.</summary>
    public void Set(JoinMessage join) => _join = join;

    public void Enrich(LogEvent logEvent, ILogEventPropertyFactory propertyFactory)
    {
        logEvent.AddPropertyIfAbsent(propertyFactory.CreateProperty("Lineage", _join?.Lineage ?? 0));
        logEvent.AddPropertyIfAbsent(propertyFactory.CreateProperty("Generation", _join?.Generation ?? 0));
        logEvent.AddPropertyIfAbsent(propertyFactory.CreateProperty("Rank", _join?.Rank ?? -1));
        // Most events belong to no step.
        var step = logEvent.Properties.TryGetValue("Step", out var number) ? $" s{number}" : "";
        logEvent.AddPropertyIfAbsent(propertyFactory.CreateProperty("AtStep", step));
    }
}

/// <summary>A rank's log: on standard error, which the launcher has turned into the rank's log file.</summary>
internal static class RankLog
{
    private const string Template =
        "{Timestamp:yyyy-MM-dd HH:mm:ss.fff} {Level:u3} [{JobId} m{Member} l{Lineage} g{Generation} r{Rank}{AtStep}] {Message:lj}{NewLine}{Exception}";

    /// <summary>The log, with the properties that name this process.</summary>
    /// <param name="start">What the launcher said.</param>
    /// <param name="place">Where in the job's membership it is.</param>
    public static Logger Create(StartMessage start, LogPlace place) => new LoggerConfiguration()
        .Enrich.WithProperty("JobId", Path.GetFileName(start.RunFolder))
        .Enrich.WithProperty("Member", start.Member)
        .Enrich.FromLogContext()
        .Enrich.With(place)
        .WriteTo.Console(outputTemplate: Template, standardErrorFromLevel: LogEventLevel.Verbose, formatProvider: CultureInfo.InvariantCulture)
        .CreateLogger();
}
