using System.Data.Common;
using System.Globalization;
using System.Text.RegularExpressions;
using Linformer.Coordinator.Storage.Metrics;

namespace Linformer.Coordinator.Storage;

/// <summary>Metrics, logs, samples and checkpoints in the database.</summary>
/// <param name="database">The database.</param>
public sealed partial class DatabaseTelemetryStore(CoordinatorDatabase database) : ITelemetryStore
{
    /// <summary>What <see cref="Metric"/> reads.</summary>
    internal const string MetricFields =
        "lineage, generation, step, at, world_size, loss, learning_rate, tokens_per_second, gradient_norm, held_out_loss, measures";

    private const string MetricColumns = $"SELECT {MetricFields} FROM metrics";

    /// <inheritdoc/>
    public Task BeginGenerationAsync(string jobId, int lineage, int generation, int worldSize, CancellationToken cancellationToken) =>
        database.WriteAsync(
            session =>
            {
                // Steps that came before are those of ranks that began before this was recorded; they stay.
                session.Execute(
                    """
                    INSERT INTO generations VALUES ($1, $2, $3, $4, $5, NULL)
                    ON CONFLICT (job_id, lineage, generation) DO UPDATE SET world_size = $4
                    """,
                    jobId, lineage, generation, worldSize, DateTimeOffset.UtcNow.ToColumn());
                // A new lineage goes back on purpose; an older generation, told again, changes nothing.
                session.Execute(
                    """
                    INSERT INTO progress VALUES ($1, $2, $3, 0)
                    ON CONFLICT (job_id) DO UPDATE SET
                        committed_step = CASE WHEN progress.lineage = $2 THEN progress.committed_step ELSE 0 END, lineage = $2, generation = $3
                    WHERE (progress.lineage, progress.generation) < ($2, $3)
                    """,
                    jobId, lineage, generation);
            },
            cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<MetricRow>> RecordAsync(IReadOnlyList<TelemetryBatch> batches, CancellationToken cancellationToken) =>
        database.WriteBulkAsync<IReadOnlyList<MetricRow>>(
            session =>
            {
                var steps = new List<MetricRow>();
                // On the thread that writes: what was let in just before a deletion began is not recorded after it.
                foreach (var batch in batches.Where(batch => !database.Unrecorded.ContainsKey(batch.JobId)))
                    steps.AddRange(Record(session, batch));
                return steps;
            },
            batches.Sum(batch => batch.Metrics.Count + batch.Logs.Count + (batch.Samples?.Count ?? 0)),
            cancellationToken);

    /// <inheritdoc/>
    public Task<JobProgress> ProgressAsync(string jobId, CancellationToken cancellationToken) =>
        database.ReadAsync(
            session =>
            {
                var (lineage, generation, committed) = session.First(
                    "SELECT lineage, generation, committed_step FROM progress WHERE job_id = $1",
                    row => (row.GetInt32(0), row.GetInt32(1), row.GetInt64(2)),
                    jobId);
                var newest = session.First(
                    MetricColumns + " WHERE job_id = $1 ORDER BY lineage DESC, generation DESC, step DESC LIMIT 1", Metric, jobId);
                var heldOut = session.First(
                    """
                    SELECT held_out_loss, measures FROM metrics WHERE job_id = $1 AND held_out_loss IS NOT NULL
                    ORDER BY lineage DESC, generation DESC, step DESC LIMIT 1
                    """,
                    row => (Loss: row.Number(0), Measures: MeasureValues.OfColumn(row.IsDBNull(1) ? null : row.GetString(1))),
                    jobId);
                var again = newest is not null && newest.Lineage == lineage && newest.Generation == generation && newest.Step < committed
                    ? session.First(
                        "SELECT first_step FROM generations WHERE job_id = $1 AND lineage = $2 AND generation = $3",
                        row => row.IsDBNull(0) ? (long?)null : row.GetInt64(0) - 1,
                        jobId, lineage, generation)
                    : null;
                return new JobProgress(lineage, generation, committed, newest, heldOut.Loss, again, heldOut.Measures);
            },
            cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<MetricRow>> MetricsAfterAsync(
        string jobId, long step, int maximum, CancellationToken cancellationToken) =>
        database.ReadLongAsync<IReadOnlyList<MetricRow>>(
            session =>
            {
                var rows = new List<MetricRow>();
                foreach (var valid in ValidSteps.Read(session, jobId).Where(valid => valid.Before > step + 1))
                {
                    rows.AddRange(session.All(
                        MetricColumns + " WHERE job_id = $1 AND lineage = $2 AND generation = $3 AND step > $4 AND step < $5 ORDER BY step LIMIT $6",
                        Metric, jobId, valid.Lineage, valid.Generation, step, valid.Before, maximum - rows.Count));
                    if (rows.Count >= maximum)
                        break;
                }
                return rows;
            },
            cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<LogRow>> LogsAfterAsync(
        string jobId, int? rank, long sequence, int maximum, CancellationToken cancellationToken)
    {
        const string Select = "SELECT sequence, member, generation, rank, number, at, worker, text FROM logs WHERE job_id = $1 AND sequence > $2";
        return database.ReadLongAsync<IReadOnlyList<LogRow>>(
            session => rank is { } one
                ? session.All(Select + " AND rank = $4 ORDER BY sequence LIMIT $3", Log, jobId, sequence, maximum, one)
                : session.All(Select + " ORDER BY sequence LIMIT $3", Log, jobId, sequence, maximum),
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<long> LogTailAsync(string jobId, int? rank, int lines, CancellationToken cancellationToken)
    {
        const string Select = "SELECT sequence FROM logs WHERE job_id = $1";
        return database.ReadAsync(
            session => rank is { } one
                ? session.First(Select + " AND rank = $3 ORDER BY sequence DESC LIMIT 1 OFFSET $2", row => row.GetInt64(0), jobId, lines, one)
                : session.First(Select + " ORDER BY sequence DESC LIMIT 1 OFFSET $2", row => row.GetInt64(0), jobId, lines),
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<CheckpointRow>> CheckpointsAsync(string jobId, CancellationToken cancellationToken) =>
        database.ReadAsync<IReadOnlyList<CheckpointRow>>(
            session => session.All(
                """
                SELECT name, lineage, generation, step, at, bytes, kept FROM checkpoints
                WHERE job_id = $1 ORDER BY lineage DESC, step DESC, generation DESC
                """,
                row => new CheckpointRow(
                    row.GetString(0), row.GetInt32(1), row.GetInt32(2), row.GetInt64(3), row.Time(4), row.GetInt64(5), row.GetInt32(6) != 0),
                jobId),
            cancellationToken);

    private static List<MetricRow> Record(Session session, TelemetryBatch batch)
    {
        var steps = new List<MetricRow>();
        foreach (var generation in batch.Metrics.GroupBy(metric => (metric.Lineage, metric.Generation)))
        {
            var added = RollupTable.New(session, batch.JobId, generation);
            Record(session, batch.JobId, added);
            steps.AddRange(added);
            var first = generation.MinBy(metric => metric.Step)!;
            session.Execute(
                """
                INSERT INTO generations VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (job_id, lineage, generation) DO UPDATE SET first_step = excluded.first_step
                WHERE generations.first_step IS NULL OR generations.first_step > excluded.first_step
                """,
                batch.JobId, first.Lineage, first.Generation, first.WorldSize, first.At.ToColumn(), first.Step);
            Advance(session, batch.JobId, first.Lineage, first.Generation, generation.Max(metric => metric.Step));
        }
        foreach (var log in batch.Logs)
        {
            session.Execute(
                """
                INSERT INTO logs (job_id, member, generation, rank, number, at, worker, text) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                ON CONFLICT (job_id, member, number) DO NOTHING
                """,
                batch.JobId, log.Member, log.Generation, log.Rank, log.Number, log.At.ToColumn(), batch.Worker, log.Text);
        }
        foreach (var sample in batch.Samples ?? [])
            Record(session, batch, sample);
        foreach (var checkpoint in batch.Checkpoints)
        {
            session.Execute(
                """
                INSERT INTO checkpoints VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                ON CONFLICT (job_id, name) DO UPDATE SET at = excluded.at, bytes = excluded.bytes
                """,
                batch.JobId, checkpoint.Name, checkpoint.Lineage, checkpoint.Generation, checkpoint.Step,
                checkpoint.At.ToColumn(), checkpoint.Bytes, checkpoint.Kept ? 1 : 0);
            // A step whose metrics were lost is known to be taken by its checkpoint.
            Advance(session, batch.JobId, checkpoint.Lineage, checkpoint.Generation, checkpoint.Step);
        }
        foreach (var name in batch.DeletedCheckpoints)
            Delete(session, batch.JobId, name);
        return steps;
    }

    private static void Record(Session session, string jobId, List<MetricRow> metrics)
    {
        foreach (var metric in metrics)
        {
            session.Execute(
                "INSERT INTO metrics VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                jobId, metric.Step, metric.Lineage, metric.Generation, metric.At.ToColumn(), metric.WorldSize, metric.Loss,
                metric.LearningRate, metric.TokensPerSecond, metric.GradientNorm, metric.HeldOutLoss, metric.Measures?.ToColumn());
        }
        RollupTable.Add(session, jobId, metrics);
    }

    private static void Record(Session session, TelemetryBatch batch, RankSampleRow sample) => session.Execute(
        """
        INSERT INTO rank_samples (
            job_id, lineage, generation, rank, step, member, worker, at, steps, data_milliseconds, forward_milliseconds, backward_milliseconds,
            reduce_milliseconds, update_milliseconds, other_milliseconds, memory_bytes, peak_memory_bytes, gpu_memory_bytes)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
        ON CONFLICT (job_id, lineage, generation, rank, step) DO NOTHING
        """,
        batch.JobId, sample.Lineage, sample.Generation, sample.Rank, sample.Step, sample.Member, batch.Worker, sample.At.ToColumn(), sample.Steps,
        sample.DataMilliseconds, sample.ForwardMilliseconds, sample.BackwardMilliseconds, sample.ReduceMilliseconds, sample.UpdateMilliseconds,
        sample.OtherMilliseconds, sample.MemoryBytes, sample.PeakMemoryBytes, sample.GpuMemoryBytes);

    // The deletion may come before the checkpoint, from another worker: its row is made then, and says when and how large later.
    private static void Delete(Session session, string jobId, string name)
    {
        if (CheckpointName().Match(name) is not { Success: true } match
            || !int.TryParse(match.Groups["lineage"].Value, CultureInfo.InvariantCulture, out var lineage)
            || !int.TryParse(match.Groups["generation"].Value, CultureInfo.InvariantCulture, out var generation)
            || !long.TryParse(match.Groups["step"].Value, CultureInfo.InvariantCulture, out var step))
        {
            session.Execute("UPDATE checkpoints SET kept = 0 WHERE job_id = $1 AND name = $2", jobId, name);
            return;
        }
        session.Execute(
            """
            INSERT INTO checkpoints VALUES ($1, $2, $3, $4, $5, $6, 0, 0)
            ON CONFLICT (job_id, name) DO UPDATE SET kept = 0
            """,
            jobId, name, lineage, generation, step, DateTimeOffset.UtcNow.ToColumn());
    }

    // As Linformer.Training's CheckpointId writes it.
    [GeneratedRegex("^l(?<lineage>[0-9]{4,10})-g(?<generation>[0-9]{4,10})-s(?<step>[0-9]{8,19})\\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex CheckpointName();

    private static void Advance(Session session, string jobId, int lineage, int generation, long step) =>
        session.Execute(
            """
            UPDATE progress SET committed_step = $4
            WHERE job_id = $1 AND lineage = $2 AND generation = $3 AND committed_step < $4
            """,
            jobId, lineage, generation, step);

    /// <summary>A step, from <see cref="MetricFields"/>.</summary>
    internal static MetricRow Metric(DbDataReader row) => new(
        row.GetInt32(0), row.GetInt32(1), row.GetInt64(2), row.Time(3), row.GetInt32(4),
        row.Number(5) ?? double.NaN, row.Number(6) ?? double.NaN, row.Number(7) ?? double.NaN, row.Number(8), row.Number(9),
        MeasureValues.OfColumn(row.IsDBNull(10) ? null : row.GetString(10)));

    /// <summary>A line, from all its columns in the order of the record.</summary>
    internal static LogRow Log(DbDataReader row) => new(
        row.GetInt64(0), row.GetInt64(1), row.GetInt32(2), row.GetInt32(3), row.GetInt64(4), row.Time(5), row.GetString(6), row.GetString(7));
}
