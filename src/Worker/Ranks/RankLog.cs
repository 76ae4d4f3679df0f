using System.Globalization;
using Linformer.Worker.RankProtocol;
using Serilog;
using Serilog.Core;
using Serilog.Events;

namespace Linformer.Worker.Ranks;

/// <summary>A rank's log: on standard error, which the launcher has turned into the rank's log file.</summary>
internal static class RankLog
{
    private const string Template =
        "{Timestamp:yyyy-MM-dd HH:mm:ss.fff} {Level:u3} [{JobId} l{Lineage} g{Generation} r{Rank}{AtStep}] {Message:lj}{NewLine}{Exception}";

    /// <summary>The log, with the properties that name this rank.</summary>
    /// <param name="start">What the launcher said.</param>
    public static Logger Create(StartMessage start) => new LoggerConfiguration()
        .Enrich.WithProperty("JobId", Path.GetFileName(start.RunFolder))
        .Enrich.WithProperty("Lineage", start.Lineage)
        .Enrich.WithProperty("Generation", start.Generation)
        .Enrich.WithProperty("Rank", start.Rank)
        .Enrich.FromLogContext()
        .Enrich.With(new AtStep())
        .WriteTo.Console(outputTemplate: Template, standardErrorFromLevel: LogEventLevel.Verbose, formatProvider: CultureInfo.InvariantCulture)
        .CreateLogger();

    // Most events belong to no step.
    private sealed class AtStep : ILogEventEnricher
    {
        public void Enrich(LogEvent logEvent, ILogEventPropertyFactory propertyFactory) =>
            logEvent.AddPropertyIfAbsent(propertyFactory.CreateProperty(nameof(AtStep), logEvent.Properties.TryGetValue("Step", out var step) ? $" s{step}" : ""));
    }
}
