namespace Linformer.Coordinator.Storage;

/// <summary>Deletions of jobs in the database.</summary>
/// <param name="database">The database.</param>
public sealed class DatabaseDeletionStore(CoordinatorDatabase database) : IDeletionStore
{
    /// <inheritdoc/>
    public Task BeginAsync(BegunDeletion deletion, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.Execute(
            """
            INSERT INTO deletions VALUES ($1, $2, $3, $4)
            ON CONFLICT (job_id) DO UPDATE SET keep_model = $2, who = $3, why = $4
            """,
            deletion.JobId, deletion.KeepModel ? 1 : 0, deletion.Who, deletion.Why),
        cancellationToken);

    /// <inheritdoc/>
    public Task StopRecordingAsync(string jobId, CancellationToken cancellationToken) =>
        // On the thread that writes, so that none is recorded after it.
        database.WriteAsync(_ => { database.Unrecorded.TryAdd(jobId, true); }, cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<BegunDeletion>> BegunAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<BegunDeletion>>(
        session => session.All(
            "SELECT job_id, keep_model, who, why FROM deletions ORDER BY job_id",
            row => new BegunDeletion(row.GetString(0), row.GetInt32(1) != 0, row.GetString(2), row.GetString(3))),
        cancellationToken);

    /// <inheritdoc/>
    public Task EraseAsync(string jobId, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            session.Execute("DELETE FROM history WHERE job_id = $1", jobId);
            session.Execute("DELETE FROM jobs WHERE job_id = $1", jobId);
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task EndAsync(string jobId, CancellationToken cancellationToken) =>
        database.WriteAsync(session => session.Execute("DELETE FROM deletions WHERE job_id = $1", jobId), cancellationToken);

    /// <inheritdoc/>
    public Task GiveUpAsync(string jobId, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            session.Execute("DELETE FROM deletions WHERE job_id = $1", jobId);
            database.Unrecorded.TryRemove(jobId, out _);
        },
        cancellationToken);
}
