using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;

namespace Linformer.Coordinator.Storage;

/// <summary>A few read-only connections. SQLite has no asynchronous calls, so reads run on threads of the pool, never on a grain's turn.</summary>
internal sealed class ReaderPool(string path, int size) : IAsyncDisposable
{
    private readonly SemaphoreSlim _free = new(size, size);
    private readonly ConcurrentBag<Session> _sessions = [];
    private volatile bool _closed;

    /// <summary>Runs a read, in a transaction of its own, so that all its statements see one state.</summary>
    public async Task<T> RunAsync<T>(Func<Session, T> read, CancellationToken cancellationToken)
    {
        await _free.WaitAsync(cancellationToken);
        try
        {
            if (_closed)
                throw new StorageException($"The database {path} is closed.");
            return await Task.Run(() => Run(read), cancellationToken);
        }
        finally
        {
            _free.Release();
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
        Session? session = null;
        try
        {
            if (!_sessions.TryTake(out session))
                session = new Session(path, SqliteOpenMode.ReadOnly);
            session.Execute("BEGIN");
            var result = read(session);
            session.Execute("COMMIT");
            _sessions.Add(session);
            return result;
        }
        catch (Exception exception)
        {
            // A connection with a failed read is not used again.
            session?.Dispose();
            if (exception is SqliteException sqlite)
                throw StorageException.From(path, sqlite);
            throw;
        }
    }
}
