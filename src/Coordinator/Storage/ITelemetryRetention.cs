namespace Linformer.Coordinator.Storage;

/// <summary>What a look through the jobs has deleted.</summary>
/// <param name="LogLines">Log lines.</param>
/// <param name="Metrics">Steps whose numbers are gone.</param>
/// <param name="Samples">Samples of ranks.</param>
/// <param name="Events">Events.</param>
public sealed record RetentionResult(long LogLines, long Metrics, long Samples = 0, long Events = 0);

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

    /// <summary>
    /// Deletes all telemetry of a job, in small writes: metrics, log lines, samples, checkpoints (their rows), generations and how far it
    /// was. Its own row, its history and its events stay. What comes of the job afterwards is recorded anew.
    /// </summary>
    /// <param name="jobId">The job; one that has nothing is fine.</param>
    /// <param name="cancellationToken">Ends it between two writes; called again, it goes on.</param>
    /// <exception cref="FencedException">Another coordinator has taken the lease.</exception>
    /// <exception cref="StorageException">The database cannot be read or written; what was deleted stays deleted.</exception>
    Task DeleteJobAsync(string jobId, CancellationToken cancellationToken);
}
