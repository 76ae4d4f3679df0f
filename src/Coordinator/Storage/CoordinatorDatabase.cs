using Microsoft.Data.Sqlite;

namespace Linformer.Coordinator.Storage;

/// <summary>How the database is opened.</summary>
/// <param name="Folder">The folder of the database and its lock; it is created.</param>
public sealed record CoordinatorDatabaseOptions(string Folder)
{
    /// <summary>The largest size that the database may reach, in bytes; 0 for no limit.</summary>
    public long MaximumBytes { get; init; }

    /// <summary>Reads at the same time.</summary>
    public int Readers { get; init; } = 4;
}

/// <summary>
/// The coordinator's SQLite database. One thread writes, in groups; readers have connections of their own and see what was
/// committed (WAL). Opening it takes the folder's lock and the lease: the epoch goes up by one.
/// </summary>
/// <remarks>
/// A commit is flushed to the disk (<c>synchronous=FULL</c>). A process that is killed would lose nothing without that; a power
/// cut would take back the newest commits: jobs that were acknowledged, and an epoch that agents have obeyed already, after
/// which they would refuse this coordinator. Commits in groups make the flush cheap.
/// </remarks>
public sealed class CoordinatorDatabase : IAsyncDisposable
{
    /// <summary>The database's file in its folder.</summary>
    public const string FileName = "linformer.db";

    private readonly FolderLock _lock;
    private readonly WriteQueue _writes;
    private readonly ReaderPool _readers;

    private CoordinatorDatabase(string path, long epoch, FolderLock folderLock, WriteQueue writes, ReaderPool readers)
    {
        Path = path;
        Epoch = epoch;
        _lock = folderLock;
        _writes = writes;
        _readers = readers;
    }

    /// <summary>The database's file.</summary>
    public string Path { get; }

    /// <summary>This coordinator's epoch, from 1 on: one more than that of the coordinator before.</summary>
    public long Epoch { get; }

    /// <summary>Fires when another coordinator has taken the lease.</summary>
    public CancellationToken Fenced => _writes.Fenced;

    /// <summary>Opens the database, and makes it if it is not there.</summary>
    /// <exception cref="FolderInUseException">Another coordinator works in the folder.</exception>
    /// <exception cref="StorageException">It is damaged, newer than this program, or cannot be written.</exception>
    public static CoordinatorDatabase Open(CoordinatorDatabaseOptions options)
    {
        try
        {
            Directory.CreateDirectory(options.Folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"The folder {options.Folder} cannot be made: {exception.Message}", exception);
        }
        var path = System.IO.Path.Combine(options.Folder, FileName);
        var folderLock = FolderLock.Take(options.Folder, () => DescribeHolder(path));
        Session? session = null;
        try
        {
            session = new Session(path, SqliteOpenMode.ReadWriteCreate);
            session.Script("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864");
            Migrations.Apply(session, path);
            var epoch = Lease.Take(session);
            if (options.MaximumBytes > 0)
            {
                var pageSize = session.First("PRAGMA page_size", row => row.GetInt64(0));
                session.Script($"PRAGMA max_page_count = {Math.Max(1, options.MaximumBytes / pageSize)}");
            }
            return new CoordinatorDatabase(path, epoch, folderLock, new WriteQueue(session, path, epoch), new ReaderPool(path, options.Readers));
        }
        catch (Exception exception)
        {
            session?.Dispose();
            folderLock.Dispose();
            if (exception is SqliteException sqlite)
                throw StorageException.From(path, sqlite);
            throw;
        }
    }

    /// <summary>Queues a write; its result comes once it is committed. What it throws undoes it, and no other write.</summary>
    /// <exception cref="FencedException">Another coordinator has taken the lease.</exception>
    /// <exception cref="StorageException">It was not recorded.</exception>
    internal Task<T> WriteAsync<T>(Func<Session, T> write, CancellationToken cancellationToken) => _writes.RunAsync(write, cancellationToken);

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

    /// <summary>Commits what is queued, and closes.</summary>
    public async ValueTask DisposeAsync()
    {
        await _readers.DisposeAsync();
        await _writes.DisposeAsync();
        _lock.Dispose();
    }

    private static string DescribeHolder(string path)
    {
        try
        {
            using var session = new Session(path, SqliteOpenMode.ReadOnly);
            return Lease.Holder(session) ?? "its process is not known yet";
        }
        catch (SqliteException)
        {
            return "its process is not known";
        }
    }
}
