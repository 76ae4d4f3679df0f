namespace Linformer.Coordinator.Storage;

/// <summary>
/// What the cluster has ever seen, by name, so that it is looked for again after a restart: workers that have connected, and
/// corpora that jobs have asked for. How they are is their grains' to tell.
/// </summary>
public interface IRosterStore
{
    /// <summary>Adds a worker; one that is there already stays as it is.</summary>
    Task AddWorkerAsync(string name, CancellationToken cancellationToken);

    /// <summary>Forgets a worker that has left for good.</summary>
    Task RemoveWorkerAsync(string name, CancellationToken cancellationToken);

    /// <summary>The names of all workers, in order.</summary>
    Task<IReadOnlyList<string>> WorkersAsync(CancellationToken cancellationToken);

    /// <summary>Adds a corpus; one that is there already stays as it is.</summary>
    Task AddCorpusAsync(string corpusId, CancellationToken cancellationToken);

    /// <summary>The ids of all corpora, the newest first.</summary>
    Task<IReadOnlyList<string>> CorporaAsync(CancellationToken cancellationToken);
}
