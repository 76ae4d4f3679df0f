using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Storage;

/// <summary>A submission that was recorded before anything else happened with it.</summary>
/// <param name="Submission">The job.</param>
/// <param name="Existed">Whether the key had been used before, for the same job file.</param>
public sealed record RecordedSubmission(JobSubmission Submission, bool Existed);

/// <summary>A row of the list of jobs.</summary>
/// <param name="View">The job as its grain last told it.</param>
/// <param name="Ordinal">The order of submission, from 1 on.</param>
public sealed record JobRow(JobView View, long Ordinal);

/// <summary>By what jobs are listed. What is equal comes newest first.</summary>
public enum JobSort
{
    /// <summary>By submission, newest first.</summary>
    Submitted = 0,

    /// <summary>By name, A first; as bytes.</summary>
    Name = 1,

    /// <summary>By who submitted it, A first; as bytes.</summary>
    Submitter = 2,

    /// <summary>By state, in the order of <see cref="JobPhase"/>.</summary>
    Phase = 3,

    /// <summary>By priority, highest first.</summary>
    Priority = 4,
}

/// <summary>A place in a list of jobs: that of a job, whether or not it is still there.</summary>
/// <param name="Ordinal">The job's order of submission.</param>
/// <param name="Text">Its name or submitter, in a list by that; else empty.</param>
/// <param name="Number">Its state's or priority's number, in a list by that; else 0.</param>
public sealed record JobPlace(long Ordinal, string Text = "", long Number = 0)
{
    /// <summary>A job's place.</summary>
    public static JobPlace Of(JobRow row, JobSort sort) => sort switch
    {
        JobSort.Name => new JobPlace(row.Ordinal, Text: row.View.Name),
        JobSort.Submitter => new JobPlace(row.Ordinal, Text: row.View.Submitter),
        JobSort.Phase => new JobPlace(row.Ordinal, Number: (int)row.View.Phase),
        JobSort.Priority => new JobPlace(row.Ordinal, Number: row.View.Priority),
        _ => new JobPlace(row.Ordinal),
    };
}

/// <summary>Which jobs to list.</summary>
/// <param name="Phases">Only these; empty for all.</param>
/// <param name="NameContains">Only names with this in them; empty for all.</param>
/// <param name="PageSize">At most so many.</param>
/// <param name="After">Only jobs after this place; null for the first page.</param>
/// <param name="Submitter">Only jobs of this one, such as <c>person:ada</c>; empty for all.</param>
/// <param name="Sort">By what.</param>
/// <param name="Reverse">The other way round.</param>
public sealed record JobFilter(
    IReadOnlyList<JobPhase> Phases, string NameContains, int PageSize, JobPlace? After, string Submitter = "", JobSort Sort = JobSort.Submitted, bool Reverse = false);

/// <summary>
/// Submissions and the list of jobs. A job's truth is its grain's state; its row follows that, and is written again when
/// the grain is activated.
/// </summary>
public interface IJobStore
{
    /// <summary>Records a submission under its idempotency key, or finds the one recorded before.</summary>
    /// <param name="idempotencyKey">The client's key.</param>
    /// <param name="fileSha256">SHA-256 of the job file as it was sent.</param>
    /// <param name="submission">The job.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="IdempotencyConflictException">The key was used for another job file.</exception>
    Task<RecordedSubmission> RecordSubmissionAsync(
        string idempotencyKey, string fileSha256, JobSubmission submission, CancellationToken cancellationToken) =>
        RecordSubmissionAsync(idempotencyKey, fileSha256, submission, int.MaxValue, cancellationToken);

    /// <summary>Records a submission under its idempotency key, unless its submitter has too many jobs, or finds the one recorded before.</summary>
    /// <param name="idempotencyKey">The client's key; what comes before a <c>/</c> in it keeps apart the keys of users.</param>
    /// <param name="fileSha256">SHA-256 of the job file as it was sent.</param>
    /// <param name="submission">The job.</param>
    /// <param name="unfinishedJobs">The most jobs of its submitter that have not ended, this one included.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="IdempotencyConflictException">The key was used for another job file.</exception>
    /// <exception cref="TooManyJobsException">The submitter has so many already.</exception>
    Task<RecordedSubmission> RecordSubmissionAsync(
        string idempotencyKey, string fileSha256, JobSubmission submission, int unfinishedJobs, CancellationToken cancellationToken);

    /// <summary>Brings a job's row up to its grain's state; a row of a higher revision stays.</summary>
    Task SaveAsync(JobView view, CancellationToken cancellationToken);

    /// <summary>A job's row, by its id, or the newest of a name; null if there is none.</summary>
    Task<JobRow?> FindAsync(string idOrName, CancellationToken cancellationToken);

    /// <summary>Jobs, in the filter's order.</summary>
    Task<IReadOnlyList<JobRow>> ListAsync(JobFilter filter, CancellationToken cancellationToken);

    /// <summary>Ids of the jobs that have not ended, and of submissions whose grain never came to be, oldest first.</summary>
    Task<IReadOnlyList<JobSubmission>> UnfinishedAsync(CancellationToken cancellationToken);
}

/// <summary>An idempotency key that was used for another job file.</summary>
public sealed class IdempotencyConflictException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">For the client.</param>
    public IdempotencyConflictException(string message)
        : base(message)
    {
    }
}

/// <summary>A submitter who has as many unfinished jobs as one may have.</summary>
public sealed class TooManyJobsException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">For the client.</param>
    public TooManyJobsException(string message)
        : base(message)
    {
    }
}
