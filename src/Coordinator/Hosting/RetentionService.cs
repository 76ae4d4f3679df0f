using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Telemetry;
using Serilog;

namespace Linformer.Coordinator.Hosting;

/// <summary>
/// Keeps the database from growing without end. It works in the coordinator that serves; one that stands by has no services, and
/// one that was replaced is refused every write.
/// </summary>
/// <param name="retention">Looks through the jobs.</param>
/// <param name="options">What stays, and how often it looks.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Gets what was deleted, and what goes wrong.</param>
public sealed class RetentionService(ITelemetryRetention retention, CoordinatorOptions options, TimeProvider time, ILogger logger) : HostedLoop
{
    /// <inheritdoc/>
    protected override async Task LoopAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            // First a wait: a coordinator that has just taken over has more urgent things to write.
            await Task.Delay(options.Retention.Interval, time, stoppingToken);
            await ApplyAsync(stoppingToken);
        }
    }

    private async Task ApplyAsync(CancellationToken cancellationToken)
    {
        try
        {
            var deleted = await retention.ApplyAsync(options.Retention, time.GetUtcNow(), cancellationToken);
            CoordinatorInstruments.CountDeleted(deleted.LogLines, deleted.Metrics);
            if (deleted != new RetentionResult(0, 0))
            {
                logger.Information(
                    "{LogLines} old log lines, the metrics of {Steps} steps of old jobs, {Samples} old samples and {Events} old events were deleted",
                    deleted.LogLines, deleted.Metrics, deleted.Samples, deleted.Events);
            }
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.Warning(exception, "Old telemetry could not be deleted; tried again in {Interval}", options.Retention.Interval);
        }
    }
}
