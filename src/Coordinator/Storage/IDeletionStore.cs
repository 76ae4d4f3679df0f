namespace Linformer.Coordinator.Storage;

/// <summary>A job whose deletion has begun.</summary>
/// <param name="JobId">The job.</param>
/// <param name="KeepModel">Whether its model's folder stays.</param>
/// <param name="Who">Who wants it, such as <c>person:ada</c>.</param>
/// <param name="Why">Why; may be empty.</param>
public sealed record BegunDeletion(string JobId, bool KeepModel, string Who, string Why);

/// <summary>
/// Deletions of jobs. One is noted before anything is deleted, and until all is: so one that a kill cut off is found again.
/// </summary>
public interface IDeletionStore
{
    /// <summary>Notes that a deletion begins; a job's later note takes the place of the earlier.</summary>
    Task BeginAsync(BegunDeletion deletion, CancellationToken cancellationToken);

    /// <summary>The job knows that it is being deleted: from now on no telemetry of it is recorded.</summary>
    Task StopRecordingAsync(string jobId, CancellationToken cancellationToken);

    /// <summary>The deletions that have begun and not ended.</summary>
    Task<IReadOnlyList<BegunDeletion>> BegunAsync(CancellationToken cancellationToken);

    /// <summary>Deletes a job's row, with its idempotency key, and its history. What is cut off leaves it whole.</summary>
    Task EraseAsync(string jobId, CancellationToken cancellationToken);

    /// <summary>All is deleted: the note goes. Late telemetry of the job is still not recorded.</summary>
    Task EndAsync(string jobId, CancellationToken cancellationToken);

    /// <summary>The job is not deleted after all: the note goes, and what comes of the job is recorded again.</summary>
    Task GiveUpAsync(string jobId, CancellationToken cancellationToken);
}
