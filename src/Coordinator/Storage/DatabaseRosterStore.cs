namespace Linformer.Coordinator.Storage;

/// <summary>The names of workers and corpora in the database.</summary>
/// <param name="database">The database.</param>
public sealed class DatabaseRosterStore(CoordinatorDatabase database) : IRosterStore
{
    /// <inheritdoc/>
    public Task AddWorkerAsync(string name, CancellationToken cancellationToken) =>
        database.WriteAsync(session => session.Execute("INSERT INTO workers VALUES ($1) ON CONFLICT DO NOTHING", name), cancellationToken);

    /// <inheritdoc/>
    public Task RemoveWorkerAsync(string name, CancellationToken cancellationToken) =>
        database.WriteAsync(session => session.Execute("DELETE FROM workers WHERE name = $1", name), cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> WorkersAsync(CancellationToken cancellationToken) =>
        database.ReadAsync<IReadOnlyList<string>>(
            session => session.All("SELECT name FROM workers ORDER BY name", row => row.GetString(0)), cancellationToken);

    /// <inheritdoc/>
    public Task AddCorpusAsync(string corpusId, CancellationToken cancellationToken) =>
        database.WriteAsync(
            session => session.Execute("INSERT INTO corpora (corpus_id) VALUES ($1) ON CONFLICT DO NOTHING", corpusId), cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> CorporaAsync(CancellationToken cancellationToken) =>
        database.ReadAsync<IReadOnlyList<string>>(
            session => session.All("SELECT corpus_id FROM corpora ORDER BY ordinal DESC", row => row.GetString(0)), cancellationToken);
}
