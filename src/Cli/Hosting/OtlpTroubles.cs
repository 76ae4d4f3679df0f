using System.Diagnostics;
using System.Diagnostics.Tracing;
using Serilog;

namespace Linformer.Cli.Hosting;

/// <summary>Logs what OpenTelemetry's exporter complains of, which it tells nobody else: at most once in five minutes.</summary>
internal sealed class OtlpTroubles : EventListener
{
    private const string Exporter = "OpenTelemetry-Exporter-OpenTelemetryProtocol";
    private const int LongestReason = 500;

    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(5);

    private readonly Lock _lock = new();
    private readonly ILogger _log;
    private long? _toldAt;

    /// <summary>Begins to listen.</summary>
    /// <param name="log">The log.</param>
    public OtlpTroubles(ILogger log)
    {
        _log = log;
        // Those that came before, which the base class has told of while there was no log yet.
        foreach (var source in EventSource.GetSources())
            Listen(source);
    }

    /// <inheritdoc/>
    protected override void OnEventSourceCreated(EventSource eventSource) => Listen(eventSource);

    /// <inheritdoc/>
    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        if (_log is null || eventData.EventSource.Name != Exporter || eventData.Level > EventLevel.Warning || eventData.Level == EventLevel.LogAlways)
            return;
        lock (_lock)
        {
            if (_toldAt is { } before && Stopwatch.GetElapsedTime(before) < Interval)
                return;
            _toldAt = Stopwatch.GetTimestamp();
        }
        var reason = string.Join("; ", eventData.Payload?.Select(part => part?.ToString()?.Split('\n')[0].Trim()) ?? []);
        _log.Warning("Metrics could not be sent by OTLP: {Reason:l}", reason.Length <= LongestReason ? reason : reason[..LongestReason]);
    }

    private void Listen(EventSource source)
    {
        if (source.Name == Exporter)
            EnableEvents(source, EventLevel.Warning);
    }
}
