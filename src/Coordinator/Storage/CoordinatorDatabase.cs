using System.Collections.Concurrent;

namespace Linformer.Coordinator.Storage;

/// <summary>
/// The coordinator's database: SQLite or PostgreSQL. One thread writes, in groups; readers have connections of their own and see
/// what was committed. Who opens it holds the lease: the epoch goes up by one, and every write checks it in its own transaction.
/// </summary>
public abstract class CoordinatorDatabase : IAsyncDisposable
{
    private readonly WriteQueue _writes;
    private readonly ReaderPool _readers;
    private readonly TaskCompletionSource<StorageException> _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private protected CoordinatorDatabase(Connector connector, long epoch, int readers)
    {
        Name = connector.Name;
        Epoch = epoch;
        _writes = new WriteQueue(connector, Lose);
        _readers = new ReaderPool(connector, readers);
    }

    /// <summary>The database's file, or where its server is, without a password.</summary>
    public string Name { get; }

    /// <summary>This coordinator's epoch, from 1 on: one more than that of the coordinator before.</summary>
    public long Epoch { get; }

    /// <summary>
    /// Completes when this coordinator may not go on: with a <see cref="FencedException"/> once another has taken the lease, or with a
    /// <see cref="DatabaseUnreachableException"/> if the database was away for too long.
    /// </summary>
    public Task<StorageException> Lost => _lost.Task;

    /// <summary>Writes that wait.</summary>
    internal int QueuedWrites => _writes.Queued;

    /// <summary>How often this coordinator has committed something: what was read stays true for as long as the number is the same.</summary>
    internal long Commits => _writes.Commits;

    /// <summary>
    /// Jobs of which no telemetry is recorded any more, since they are being deleted or were. In memory: another coordinator's agents have
    /// to ask for the job's row first.
    /// </summary>
    internal ConcurrentDictionary<string, bool> Unrecorded { get; } = new(StringComparer.Ordinal);

    /// <summary>Queues a write; its result comes once it is committed. What it throws undoes it, and no other write.</summary>
    /// <exception cref="FencedException">Another coordinator has taken the lease.</exception>
    /// <exception cref="StorageException">It was not recorded.</exception>
    internal Task<T> WriteAsync<T>(Func<Session, T> write, CancellationToken cancellationToken) => _writes.RunAsync(write, cancellationToken);

    /// <summary>Queues a write of much that nothing waits for; those of <see cref="WriteAsync{T}"/> that come meanwhile go before it.</summary>
    /// <param name="write">The write.</param>
    /// <param name="items">About how many rows it writes.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="FencedException">Another coordinator has taken the lease.</exception>
    /// <exception cref="StorageException">It was not recorded.</exception>
    internal Task<T> WriteBulkAsync<T>(Func<Session, T> write, int items, CancellationToken cancellationToken) =>
        _writes.RunBulkAsync(write, items, cancellationToken);

    /// <summary>Queues a write without a result.</summary>
    internal Task WriteAsync(Action<Session> write, CancellationToken cancellationToken) =>
        _writes.RunAsync(
            session =>
            {
                write(session);
                return true;
            },
            cancellationToken);

    /// <summary>Reads what was committed, on a thread of the pool.</summary>
    /// <exception cref="StorageException">It cannot be read.</exception>
    internal Task<T> ReadAsync<T>(Func<Session, T> read, CancellationToken cancellationToken) => _readers.RunAsync(read, cancellationToken);

    /// <summary>Reads much, for a person: such reads leave connections to those by which jobs go on.</summary>
    /// <exception cref="StorageException">It cannot be read.</exception>
    internal Task<T> ReadLongAsync<T>(Func<Session, T> read, CancellationToken cancellationToken) => _readers.RunLongAsync(read, cancellationToken);

    /// <summary>Commits what is queued, closes, and gives the lease back.</summary>
    public async ValueTask DisposeAsync()
    {
        await _readers.DisposeAsync();
        await _writes.DisposeAsync();
        await ReleaseAsync();
        GC.SuppressFinalize(this);
    }

    private protected void Lose(StorageException reason) => _lost.TrySetResult(reason);

    private protected abstract Task ReleaseAsync();
}
