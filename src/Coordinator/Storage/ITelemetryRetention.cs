namespace Linformer.Coordinator.Storage;

/// <summary>What a look through the jobs has deleted.</summary>
/// <param name="LogLines">Log lines.</param>
/// <param name="Metrics">Steps whose numbers are gone.</param>
public sealed record RetentionResult(long LogLines, long Metrics);

/// <summary>Deletes telemetry that is no longer to be kept.</summary>
public interface ITelemetryRetention
{
    /// <summary>Looks through the jobs once and deletes what is too old or too much, in small writes.</summary>
    /// <param name="options">What stays.</param>
    /// <param name="now">The time.</param>
    /// <param name="cancellationToken">Ends it between two writes.</param>
    /// <exception cref="FencedException">Another coordinator has taken the lease.</exception>
    /// <exception cref="StorageException">The database cannot be read or written; what was deleted stays deleted.</exception>
    Task<RetentionResult> ApplyAsync(RetentionOptions options, DateTimeOffset now, CancellationToken cancellationToken);
}
