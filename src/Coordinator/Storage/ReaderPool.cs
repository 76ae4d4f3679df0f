using System.Collections.Concurrent;

namespace Linformer.Coordinator.Storage;

/// <summary>A few connections for reading. Their calls block, so reads run on threads of the pool, never on a grain's turn.</summary>
internal sealed class ReaderPool(Connector connector, int size) : IAsyncDisposable
{
    private readonly SemaphoreSlim _free = new(size, size);
    private readonly SemaphoreSlim _freeForLong = new(Math.Max(1, size / 2));
    private readonly ConcurrentBag<Session> _sessions = [];
    private volatile bool _closed;

    /// <summary>Runs a read, in a transaction of its own, so that all its statements see one state.</summary>
    public async Task<T> RunAsync<T>(Func<Session, T> read, CancellationToken cancellationToken)
    {
        await _free.WaitAsync(cancellationToken);
        try
        {
            if (_closed)
                throw new StorageException($"The database {connector.Name} is closed.");
            return await Task.Run(() => Run(read), cancellationToken);
        }
        finally
        {
            _free.Release();
        }
    }

    /// <summary>Runs a read of which one takes long, or many come at once: half of the connections stay free of such.</summary>
    public async Task<T> RunLongAsync<T>(Func<Session, T> read, CancellationToken cancellationToken)
    {
        await _freeForLong.WaitAsync(cancellationToken);
        try
        {
            return await RunAsync(read, cancellationToken);
        }
        finally
        {
            _freeForLong.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _closed = true;
        for (var i = 0; i < size; i++)
            await _free.WaitAsync();
        foreach (var session in _sessions)
            session.Dispose();
        _free.Release(size);
    }

    private T Run<T>(Func<Session, T> read)
    {
        if (_sessions.TryTake(out var kept))
        {
            try
            {
                return Run(kept, read);
            }
            catch (DatabaseUnreachableException)
            {
                // The connection may have been lost since its last use; a new one tells whether the database is there.
            }
        }
        return Run(session: null, read);
    }

    private T Run<T>(Session? session, Func<Session, T> read)
    {
        try
        {
            session ??= connector.OpenReader();
            session.BeginRead();
            var result = read(session);
            session.Commit();
            _sessions.Add(session);
            return result;
        }
        catch (Exception exception)
        {
            // A connection with a failed read is not used again.
            session?.Dispose();
            if (connector.Explain(exception) is { } explained)
                throw explained;
            throw;
        }
    }
}
