using Serilog;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Agents;

/// <summary>Logs that an agent drops telemetry: when it begins, and every half minute while it goes on. Not for several threads at a time.</summary>
/// <param name="worker">The agent's name.</param>
/// <param name="time">Measures the half minute.</param>
/// <param name="logger">The log.</param>
public sealed class TelemetryLosses(string worker, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    private long? _loggedAt;
    private long _metricPoints;
    private long _logLines;

    /// <summary>Logs what a status says, if there is anything new in it.</summary>
    public void Log(Proto.Status status)
    {
        if (status.LostMetricPoints <= _metricPoints && status.LostLogLines <= _logLines)
            return;
        if (_loggedAt is { } before && time.GetElapsedTime(before) < Interval)
            return;
        _loggedAt = time.GetTimestamp();
        (_metricPoints, _logLines) = (status.LostMetricPoints, status.LostLogLines);
        logger.Warning(
            "Worker {Worker:l} had to drop telemetry that was not taken in time: {MetricPoints} metric points and {LogLines} log lines since its start",
            worker, _metricPoints, _logLines);
    }
}
