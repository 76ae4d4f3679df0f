using Microsoft.Data.Sqlite;

namespace Linformer.Coordinator.Storage.Sqlite;

/// <summary>How the database is opened.</summary>
/// <param name="Folder">The folder of the database and its lock; it is created.</param>
public sealed record SqliteDatabaseOptions(string Folder)
{
    /// <summary>The largest size that the database may reach, in bytes; 0 for no limit.</summary>
    public long MaximumBytes { get; init; }

    /// <summary>Reads at the same time.</summary>
    public int Readers { get; init; } = 4;
}

/// <summary>
/// The coordinator's database in a file (WAL). Opening it takes the folder's lock, which the system drops with the process, and
/// the lease.
/// </summary>
/// <remarks>
/// A commit is flushed to the disk (<c>synchronous=FULL</c>). A process that is killed would lose nothing without that; a power
/// cut would take back the newest commits: jobs that were acknowledged, and an epoch that agents have obeyed already, after
/// which they would refuse this coordinator. Commits in groups make the flush cheap.
/// </remarks>
public sealed class SqliteDatabase : CoordinatorDatabase
{
    /// <summary>The database's file in its folder.</summary>
    public const string FileName = "linformer.db";

    private readonly FolderLock _lock;

    private SqliteDatabase(FileConnector connector, SqliteDatabaseOptions options, FolderLock folderLock)
        : base(connector, connector.Epoch, options.Readers) => _lock = folderLock;

    /// <summary>Opens the database, and makes it if it is not there.</summary>
    /// <exception cref="FolderInUseException">Another coordinator works in the folder.</exception>
    /// <exception cref="StorageException">It is damaged, newer than this program, or cannot be written.</exception>
    public static SqliteDatabase Open(SqliteDatabaseOptions options)
    {
        try
        {
            Directory.CreateDirectory(options.Folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"The folder {options.Folder} cannot be made: {exception.Message}", exception);
        }
        var path = Path.Combine(options.Folder, FileName);
        var folderLock = FolderLock.Take(options.Folder, () => DescribeHolder(path));
        try
        {
            KeepToOwner(path);
            using var session = new SqliteSession(path, SqliteOpenMode.ReadWriteCreate);
            session.Script("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
            SqliteMigrations.Apply(session, path);
            return new SqliteDatabase(new FileConnector(path, SqliteLease.Take(session), options.MaximumBytes), options, folderLock);
        }
        catch (Exception exception)
        {
            folderLock.Dispose();
            if (exception is SqliteException sqlite)
                throw SqliteErrors.Explain(path, sqlite);
            throw;
        }
    }

    private protected override Task ReleaseAsync()
    {
        _lock.Dispose();
        return Task.CompletedTask;
    }

    // Job files and logs are in it. SQLite gives the files that it makes beside it the same mode.
    private static void KeepToOwner(string path)
    {
        const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        if (OperatingSystem.IsWindows())
            return;
        try
        {
            // SQLite takes an empty file for a new database.
            using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite, UnixCreateMode = OwnerOnly });
            File.SetUnixFileMode(file.SafeFileHandle, OwnerOnly);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Whether it can be used, and why not, SQLite tells.
        }
    }

    private static string DescribeHolder(string path)
    {
        try
        {
            using var session = new SqliteSession(path, SqliteOpenMode.ReadOnly);
            return SqliteLease.Holder(session) ?? "its process is not known yet";
        }
        catch (SqliteException)
        {
            return "its process is not known";
        }
    }

    private sealed class FileConnector(string path, long epoch, long maximumBytes) : Connector
    {
        public long Epoch => epoch;

        public override string Name => path;

        public override Session OpenWriter()
        {
            var session = new SqliteSession(path, SqliteOpenMode.ReadWrite);
            try
            {
                session.Script("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864");
                if (maximumBytes > 0)
                {
                    var pageSize = session.First("PRAGMA page_size", row => row.GetInt64(0));
                    session.Script($"PRAGMA max_page_count = {Math.Max(1, maximumBytes / pageSize)}");
                }
                return session;
            }
            catch
            {
                session.Dispose();
                throw;
            }
        }

        public override Session OpenReader() => new SqliteSession(path, SqliteOpenMode.ReadOnly);

        public override void CheckLease(Session session) => SqliteLease.Check(session, path, epoch);

        public override StorageException? Explain(Exception exception) =>
            exception is SqliteException sqlite ? SqliteErrors.Explain(path, sqlite) : null;
    }
}
