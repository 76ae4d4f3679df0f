using System.Data.Common;
using System.Text.Json;
using Linformer.Coordinator.Jobs;
using Linformer.Protocol;

namespace Linformer.Coordinator.Storage;

/// <summary>Submissions and the list of jobs in the database.</summary>
/// <param name="database">The database.</param>
public sealed class DatabaseJobStore(CoordinatorDatabase database) : IJobStore
{
    private const string Columns = "SELECT ordinal, job_id, name, job_json, submitter, submitted_at, view FROM jobs ";

    /// <inheritdoc/>
    public Task<RecordedSubmission> RecordSubmissionAsync(
        string idempotencyKey, string fileSha256, JobSubmission submission, CancellationToken cancellationToken) =>
        RecordSubmissionAsync(idempotencyKey, fileSha256, submission, int.MaxValue, cancellationToken);

    /// <inheritdoc/>
    public Task<RecordedSubmission> RecordSubmissionAsync(
        string idempotencyKey, string fileSha256, JobSubmission submission, int unfinishedJobs, CancellationToken cancellationToken) =>
        database.WriteAsync(session => Record(session, idempotencyKey, fileSha256, submission, unfinishedJobs), cancellationToken);

    /// <inheritdoc/>
    public Task SaveAsync(JobView view, CancellationToken cancellationToken)
    {
        // The job file has a column of its own.
        var json = JsonSerializer.Serialize(view with { JobJson = "" }, StateJson.Options);
        return database.WriteAsync(
            session =>
            {
                session.Execute(
                    """
                    INSERT INTO jobs (job_id, name, job_json, submitter, submitted_at, phase, ended, revision, view, priority)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                    ON CONFLICT (job_id) DO UPDATE SET phase = $6, ended = $7, revision = $8, view = $9
                    WHERE jobs.revision <= $8
                    """,
                    view.JobId, view.Name, view.JobJson, view.Submitter, view.SubmittedAt.ToColumn(),
                    (int)view.Phase, view.HasEnded ? 1 : 0, view.Revision, json, view.Priority);
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<JobRow?> FindAsync(string idOrName, CancellationToken cancellationToken) =>
        database.ReadAsync(
            session => session.First(Columns + "WHERE job_id = $1", Row, idOrName)
                ?? session.First(Columns + "WHERE name = $1 ORDER BY ordinal DESC LIMIT 1", Row, idOrName),
            cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<JobRow>> ListAsync(JobFilter filter, CancellationToken cancellationToken)
    {
        var phases = filter.Phases.Aggregate(0, (bits, phase) => bits | (1 << (int)phase));
        var sql = Columns + JobListSql.Of(filter);
        return database.ReadAsync<IReadOnlyList<JobRow>>(
            session => (filter.After, filter.Sort) switch
            {
                (null, _) => session.All(sql, Row, phases, filter.NameContains, filter.Submitter, filter.PageSize),
                ({ } after, JobSort.Submitted) => session.All(sql, Row, phases, filter.NameContains, filter.Submitter, filter.PageSize, after.Ordinal),
                ({ } after, JobSort.Name or JobSort.Submitter) =>
                    session.All(sql, Row, phases, filter.NameContains, filter.Submitter, filter.PageSize, after.Ordinal, after.Text),
                ({ } after, _) => session.All(sql, Row, phases, filter.NameContains, filter.Submitter, filter.PageSize, after.Ordinal, after.Number),
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<JobSubmission>> UnfinishedAsync(CancellationToken cancellationToken) =>
        database.ReadAsync<IReadOnlyList<JobSubmission>>(
            session => session.All(Columns + "WHERE ended = 0 ORDER BY ordinal", Submission), cancellationToken);

    private static RecordedSubmission Record(Session session, string key, string sha256, JobSubmission submission, int unfinishedJobs)
    {
        var before = session.First(
            "SELECT ordinal, job_id, name, job_json, submitter, submitted_at, file_sha256 FROM jobs WHERE idempotency_key = $1",
            row => (Submission: Submission(row), Sha256: row.GetString(6)),
            key);
        if (before.Submission is { } recorded)
        {
            return before.Sha256 == sha256
                ? new RecordedSubmission(recorded, Existed: true)
                : throw new IdempotencyConflictException(
                    $"The idempotency key '{key[(key.IndexOf('/') + 1)..]}' was used for another job file, which became job {recorded.JobId}. A new submission needs a new key.");
        }
        if (session.First("SELECT 1 FROM jobs WHERE job_id = $1", _ => true, submission.JobId))
            throw new JobIdTakenException($"There is a job '{submission.JobId}' already.");
        CheckCount(session, submission.Submitter, unfinishedJobs);
        session.Execute(
            """
            INSERT INTO jobs (job_id, name, idempotency_key, file_sha256, job_json, submitter, submitted_at, phase, ended, revision, priority)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, -1, $9)
            """,
            submission.JobId, submission.Name, key, sha256, submission.JobJson, submission.Submitter,
            submission.SubmittedAt.ToColumn(), (int)JobPhase.Queued, JobFileParser.Parse(submission.JobJson, submission.JobId, cuda: true).Job?.Priority ?? 0);
        return new RecordedSubmission(submission, Existed: false);
    }

    // The one thread that writes counts and adds, so submissions at the same time cannot exceed it together.
    private static void CheckCount(Session session, string submitter, int allowed)
    {
        if (allowed == int.MaxValue)
            return;
        var unfinished = session.First("SELECT count(*) FROM jobs WHERE submitter = $1 AND ended = 0", row => row.GetInt64(0), submitter);
        if (unfinished >= allowed)
            throw new TooManyJobsException($"{submitter} has {unfinished:#,0} jobs that have not ended; one user may have {allowed:#,0}. Wait for one to end, or cancel one.");
    }

    private static JobSubmission Submission(DbDataReader row) =>
        new(row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4), row.Time(5));

    private static JobRow Row(DbDataReader row)
    {
        var submission = Submission(row);
        var view = row.IsDBNull(6)
            ? Submitted(submission)
            : JsonSerializer.Deserialize<JobView>(row.GetString(6), StateJson.Options)! with { JobJson = submission.JobJson };
        return new JobRow(view, row.GetInt64(0));
    }

    // A submission whose grain has not told anything yet.
    private static JobView Submitted(JobSubmission submission)
    {
        var job = JobFileParser.Parse(submission.JobJson, submission.JobId, cuda: true).Job;
        return new JobView
        {
            JobId = submission.JobId,
            Name = submission.Name,
            Phase = JobPhase.Queued,
            Reason = "was just submitted",
            JobJson = submission.JobJson,
            Submitter = submission.Submitter,
            SubmittedAt = submission.SubmittedAt,
            Priority = job?.Priority ?? 0,
            RanksMin = job?.Ranks.Min ?? 0,
            RanksMax = job?.Ranks.Max ?? 0,
            Threads = job?.Ranks.Threads ?? 0,
            TotalSteps = job?.Training.Steps ?? 0,
        };
    }
}

/// <summary>A new job's id that another job has: try the next.</summary>
public sealed class JobIdTakenException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">Names the id.</param>
    public JobIdTakenException(string message)
        : base(message)
    {
    }
}
