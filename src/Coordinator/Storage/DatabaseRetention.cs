using Linformer.Coordinator.Storage.Metrics;

namespace Linformer.Coordinator.Storage;

/// <summary>
/// Deletes old telemetry from the database. It reads on the readers' connections, and each write is small, so that the writes of
/// running jobs pass between two of them. Jobs that ended long ago and are done with are not looked at again.
/// </summary>
/// <param name="database">The database.</param>
public sealed class DatabaseRetention(CoordinatorDatabase database) : ITelemetryRetention
{
    private const int JobsAtOnce = 200;
    private const int DeletedAtOnce = 500;

    private static readonly Oldest Logs = new(
        "SELECT sequence FROM logs WHERE job_id = $1 ORDER BY sequence DESC LIMIT 1 OFFSET $2",
        "DELETE FROM logs WHERE sequence IN (SELECT sequence FROM logs WHERE job_id = $1 AND sequence <= $2 ORDER BY sequence LIMIT $3) RETURNING sequence");

    private static readonly Oldest Samples = new(
        "SELECT sequence FROM rank_samples WHERE job_id = $1 ORDER BY sequence DESC LIMIT 1 OFFSET $2",
        "DELETE FROM rank_samples WHERE sequence IN (SELECT sequence FROM rank_samples WHERE job_id = $1 AND sequence <= $2 ORDER BY sequence LIMIT $3) RETURNING sequence");

    // Ordinals of jobs with which nothing is left to do, those up to a first one that is not left out.
    private readonly HashSet<long> _settled = [];
    private long _allSettledUpTo;

    /// <inheritdoc/>
    public async Task<RetentionResult> ApplyAsync(RetentionOptions options, DateTimeOffset now, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var (lines, metrics, samples) = (0L, 0L, 0L);
        await ReopenAsync(cancellationToken);
        var after = _allSettledUpTo;
        var allBefore = true;
        while (await JobsAfterAsync(after, cancellationToken) is { Count: > 0 } jobs)
        {
            foreach (var job in jobs.Where(job => !_settled.Contains(job.Ordinal)))
            {
                cancellationToken.ThrowIfCancellationRequested();
                var isOld = job.EndedAt is { } ended && options.KeepLogs > TimeSpan.Zero && now - ended > options.KeepLogs;
                lines += await DeleteOldestAsync(Logs, job.JobId, isOld ? 0 : options.LogLinesPerJob, all: isOld, options.BatchRows, cancellationToken);
                samples += await DeleteOldestAsync(Samples, job.JobId, isOld ? 0 : options.RankSamplesPerJob, all: isOld, options.BatchRows, cancellationToken);
                metrics += isOld ? await ThinMetricsAsync(job.JobId, options, cancellationToken) : 0;
                if (isOld)
                    _settled.Add(job.Ordinal);
            }
            after = jobs[^1].Ordinal;
            allBefore = allBefore && Forget(jobs);
        }
        return new RetentionResult(lines, metrics, samples, await DeleteEventsAsync(options, now, cancellationToken));
    }

    /// <inheritdoc/>
    public async Task DeleteJobAsync(string jobId, CancellationToken cancellationToken)
    {
        await DeleteOldestAsync(Logs, jobId, 0, all: true, DeletedAtOnce, cancellationToken);
        await DeleteOldestAsync(Samples, jobId, 0, all: true, DeletedAtOnce, cancellationToken);
        foreach (var steps in await GenerationsAsync(jobId, cancellationToken))
            await DeleteMetricsAsync(jobId, steps, cancellationToken);
        await database.WriteAsync(
            session =>
            {
                session.Execute("DELETE FROM metrics WHERE job_id = $1", jobId);
                session.Execute("DELETE FROM metric_rollups WHERE job_id = $1", jobId);
                session.Execute("DELETE FROM checkpoints WHERE job_id = $1", jobId);
                session.Execute("DELETE FROM generations WHERE job_id = $1", jobId);
                session.Execute("DELETE FROM progress WHERE job_id = $1", jobId);
            },
            cancellationToken);
    }

    // A job that had ended may have gone back to a checkpoint since, and runs again: from it on, all are looked at anew.
    private async Task ReopenAsync(CancellationToken cancellationToken)
    {
        var running = await database.ReadAsync(
            session => session.All("SELECT ordinal FROM jobs WHERE ended = 0 ORDER BY ordinal", row => row.GetInt64(0)), cancellationToken);
        _settled.ExceptWith(running);
        if (running is [var first, ..] && first <= _allSettledUpTo)
            _allSettledUpTo = first - 1;
    }

    private Task<List<Job>> JobsAfterAsync(long ordinal, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.All(
            """
            SELECT ordinal, job_id, ended, submitted_at, (SELECT at FROM history WHERE history.job_id = jobs.job_id ORDER BY sequence DESC LIMIT 1)
            FROM jobs WHERE ordinal > $1 ORDER BY ordinal LIMIT $2
            """,
            row => new Job(row.GetInt64(0), row.GetString(1), row.GetInt32(2) == 0 ? null : row.Time(row.IsDBNull(4) ? 3 : 4)),
            ordinal, JobsAtOnce),
        cancellationToken);

    // Jobs settle about in their order, so that the set stays small. False when one of these has not.
    private bool Forget(List<Job> jobs)
    {
        foreach (var job in jobs)
        {
            if (!_settled.Remove(job.Ordinal))
                return false;
            _allSettledUpTo = job.Ordinal;
        }
        return true;
    }

    private async Task<long> DeleteOldestAsync(Oldest of, string jobId, int keep, bool all, int batch, CancellationToken cancellationToken)
    {
        if (!all && keep <= 0)
            return 0;
        // The newest row that goes.
        var last = await database.ReadAsync(session => session.First(of.Newest, row => row.GetInt64(0), jobId, keep), cancellationToken);
        return last == 0 ? 0 : await RepeatAsync(session => session.All(of.Delete, row => row.GetInt64(0), jobId, last, batch).Count, batch, cancellationToken);
    }

    private async Task<long> DeleteEventsAsync(RetentionOptions options, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (options.KeepEvents <= TimeSpan.Zero || options.KeepEvents > now - DateTimeOffset.MinValue)
            return 0;
        var before = (now - options.KeepEvents).ToColumn();
        return await RepeatAsync(
            session => session.All(
                "DELETE FROM events WHERE sequence IN (SELECT sequence FROM events WHERE at < $1 ORDER BY at LIMIT $2) RETURNING sequence",
                row => row.GetInt64(0),
                before, options.BatchRows).Count,
            options.BatchRows,
            cancellationToken);
    }

    private async Task DeleteMetricsAsync(string jobId, Steps steps, CancellationToken cancellationToken)
    {
        for (var from = steps.First; from <= steps.Last;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            from = await database.WriteAsync(
                session =>
                {
                    var next = session.First(
                        "SELECT step FROM metrics WHERE job_id = $1 AND lineage = $2 AND generation = $3 AND step >= $4 ORDER BY step LIMIT 1 OFFSET $5",
                        row => row.GetInt64(0),
                        jobId, steps.Lineage, steps.Generation, from, DeletedAtOnce);
                    if (next == 0)
                        next = steps.Last + 1;
                    session.Execute(
                        "DELETE FROM metrics WHERE job_id = $1 AND lineage = $2 AND generation = $3 AND step >= $4 AND step < $5",
                        jobId, steps.Lineage, steps.Generation, from, next);
                    RollupTable.Rebuild(session, jobId, steps.Lineage, steps.Generation, from, next - 1);
                    return next;
                },
                cancellationToken);
        }
    }

    private Task<List<Steps>> GenerationsAsync(string jobId, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.All(
            "SELECT lineage, generation, min(step), max(step) FROM metrics WHERE job_id = $1 GROUP BY lineage, generation",
            row => new Steps(row.GetInt32(0), row.GetInt32(1), row.GetInt64(2), row.GetInt64(3)),
            jobId),
        cancellationToken);

    private async Task<long> ThinMetricsAsync(string jobId, RetentionOptions options, CancellationToken cancellationToken)
    {
        var (trained, evaluated) = await database.ReadAsync(
            session => session.First(
                "SELECT count(*), count(held_out_loss) FROM metrics WHERE job_id = $1", row => (row.GetInt64(0), row.GetInt64(1)), jobId),
            cancellationToken);
        trained -= evaluated;
        var points = Math.Max(1, options.MetricPointsPerJob);
        // Twice as many, so that what was thinned before is not thinned again by a coordinator that does not know of it.
        if (trained <= 2L * points && evaluated <= 2L * points)
            return 0;
        var (every, everyEvaluated) = ((trained + points - 1) / points, (evaluated + points - 1) / points);
        var deleted = 0L;
        foreach (var steps in await GenerationsAsync(jobId, cancellationToken))
        {
            deleted += await ThinAsync(jobId, steps, every, evaluated: 0, options.BatchRows, cancellationToken);
            deleted += await ThinAsync(jobId, steps, everyEvaluated, evaluated: 1, options.BatchRows, cancellationToken);
        }
        return deleted;
    }

    private async Task<long> ThinAsync(string jobId, Steps steps, long every, int evaluated, int batch, CancellationToken cancellationToken)
    {
        if (every <= 2)
            return 0;
        // Which stay is decided by their place among their kind, in the order of steps.
        var goes = await database.ReadAsync(
            session => session.All(
                """
                SELECT step FROM metrics
                WHERE job_id = $1 AND lineage = $2 AND generation = $3 AND step > $4 AND step < $5
                AND (CASE WHEN held_out_loss IS NULL THEN 0 ELSE 1 END) = $6 ORDER BY step
                """,
                row => row.GetInt64(0),
                jobId, steps.Lineage, steps.Generation, steps.First, steps.Last, evaluated).Where((_, place) => place % every != 0).ToList(),
            cancellationToken);
        foreach (var part in goes.Chunk(batch))
        {
            cancellationToken.ThrowIfCancellationRequested();
            await database.WriteAsync(
                session =>
                {
                    foreach (var step in part)
                        session.Execute("DELETE FROM metrics WHERE job_id = $1 AND lineage = $2 AND generation = $3 AND step = $4", jobId, steps.Lineage, steps.Generation, step);
                    RollupTable.Rebuild(session, jobId, steps.Lineage, steps.Generation, part[0], part[^1]);
                },
                cancellationToken);
        }
        return goes.Count;
    }

    private async Task<long> RepeatAsync(Func<Session, int> deleteBatch, int batch, CancellationToken cancellationToken)
    {
        var deleted = 0L;
        int last;
        do
        {
            cancellationToken.ThrowIfCancellationRequested();
            last = await database.WriteAsync(deleteBatch, cancellationToken);
            deleted += last;
        }
        while (last == batch);
        return deleted;
    }

    /// <summary>How the oldest rows of a job are found and deleted.</summary>
    /// <param name="Newest">The newest row of job $1 but $2.</param>
    /// <param name="Delete">Deletes at most $3 of those up to $2.</param>
    private sealed record Oldest(string Newest, string Delete);

    private sealed record Job(long Ordinal, string JobId, DateTimeOffset? EndedAt);

    private sealed record Steps(int Lineage, int Generation, long First, long Last);
}
