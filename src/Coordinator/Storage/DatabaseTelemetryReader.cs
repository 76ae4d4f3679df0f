using System.Collections.Immutable;
using Linformer.Coordinator.Storage.Metrics;

namespace Linformer.Coordinator.Storage;

/// <summary>Reads telemetry from the database for pages and charts.</summary>
/// <param name="database">The database.</param>
public sealed class DatabaseTelemetryReader(CoordinatorDatabase database) : ITelemetryReader
{
    /// <inheritdoc/>
    public Task<MetricRange> MetricRangeAsync(string jobId, long from, long to, int points, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(points, 1);
        return database.ReadLongAsync(session => MetricRangeQuery.Read(session, jobId, from, to, points), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<MetricRow>> EvaluationsAsync(string jobId, long from, long to, int points, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(points, 1);
        return await database.ReadLongAsync(session => EvaluationQuery.Read(session, jobId, from, to, points), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<ImmutableArray<ImmutableArray<double>>> LossLinesAsync(IReadOnlyList<string> jobIds, int points, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(points, 1);
        return database.ReadLongAsync<ImmutableArray<ImmutableArray<double>>>(
            session => [.. jobIds.Select(jobId => ImmutableArray.Create(MetricRangeQuery.ReadLossLine(session, jobId, points)))], cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<GenerationRow>> GenerationsAsync(string jobId, int maximum, CancellationToken cancellationToken)
    {
        var rows = await database.ReadLongAsync(
            session => session.All(
                """
                SELECT lineage, generation, world_size, started_at, first_step FROM generations WHERE job_id = $1 AND first_step IS NOT NULL
                ORDER BY lineage DESC, generation DESC LIMIT $2
                """,
                row => new GenerationRow(row.GetInt32(0), row.GetInt32(1), row.GetInt32(2), row.Time(3), row.GetInt64(4)),
                jobId, maximum),
            cancellationToken);
        rows.Reverse();
        return rows;
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<RankSampleRow>> RankSamplesAsync(
        string jobId, int? rank, long from, long to, int points, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(points, 1);
        return await database.ReadLongAsync(session => RankSampleQuery.Read(session, jobId, rank, from, to, points), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<RankSampleRow>> RankSamplesAfterAsync(string jobId, long sequence, int maximum, CancellationToken cancellationToken) =>
        await database.ReadLongAsync(session => RankSampleQuery.ReadAfter(session, jobId, sequence, maximum), cancellationToken);

    /// <inheritdoc/>
    public Task<LogPage> LogPageAsync(LogQuery query, CancellationToken cancellationToken) =>
        database.ReadLongAsync(session => LogSearch.Read(session, query), cancellationToken);
}
