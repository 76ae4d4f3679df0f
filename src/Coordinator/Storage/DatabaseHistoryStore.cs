using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Storage;

/// <summary>The history of jobs in the database.</summary>
/// <param name="database">The database.</param>
public sealed class DatabaseHistoryStore(CoordinatorDatabase database) : IHistoryStore
{
    /// <inheritdoc/>
    public Task AppendAsync(string jobId, IReadOnlyList<JobHistoryEntry> entries, CancellationToken cancellationToken) =>
        database.WriteAsync(
            session =>
            {
                foreach (var entry in entries)
                {
                    DatabaseEventStore.Mirror(session, jobId, entry);
                    session.Execute(
                        "INSERT INTO history VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
                        jobId, entry.Sequence, entry.At.ToColumn(), entry.Who, entry.What, entry.Why,
                        (int)entry.Phase, entry.Lineage, entry.Generation, entry.Step);
                }
            },
            cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<JobHistoryEntry>> ReadAfterAsync(
        string jobId, long sequence, int maximum, CancellationToken cancellationToken) =>
        database.ReadAsync<IReadOnlyList<JobHistoryEntry>>(
            session => session.All(
                """
                SELECT sequence, at, who, what, why, phase, lineage, generation, step FROM history
                WHERE job_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
                """,
                row => new JobHistoryEntry(
                    row.GetInt64(0), row.Time(1), row.GetString(2), row.GetString(3), row.GetString(4),
                    (JobPhase)row.GetInt32(5), row.GetInt32(6), row.GetInt32(7), row.GetInt64(8)),
                jobId, sequence, maximum),
            cancellationToken);
}
