using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Postgres;
using Linformer.Coordinator.Storage.Sqlite;
using Tests.Shared;

namespace Linformer.Coordinator.Tests.Storage;

/// <summary>A database of one test, of one kind.</summary>
internal interface ITestDatabase : IAsyncDisposable
{
    /// <summary>Opens it as a coordinator does.</summary>
    Task<CoordinatorDatabase> OpenAsync();

    /// <summary>Takes the lease away from who has it, as another coordinator would whose predecessor does not notice.</summary>
    Task<CoordinatorDatabase> SeizeAsync();

    /// <summary>Runs SQL beside the coordinator.</summary>
    Task SqlAsync(string sql);
}

/// <summary>The kinds of databases, by which the same tests run.</summary>
internal static class TestDatabases
{
    public static async Task<ITestDatabase> CreateAsync(PostgresFixture? postgres) =>
        postgres is null ? new SqliteTestDatabase() : await PostgresTestDatabase.CreateAsync(postgres);
}

internal sealed class SqliteTestDatabase : ITestDatabase
{
    private readonly TemporaryFolder _folder = new();

    public Task<CoordinatorDatabase> OpenAsync() => Task.FromResult<CoordinatorDatabase>(SqliteDatabase.Open(new SqliteDatabaseOptions(_folder.Path)));

    public Task<CoordinatorDatabase> SeizeAsync()
    {
        // As on a storage that does not keep locks.
        File.Delete(_folder.File("lock"));
        return OpenAsync();
    }

    public Task SqlAsync(string sql)
    {
        SqliteDatabaseTests.Run(_folder.File(SqliteDatabase.FileName), sql);
        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }
}

internal sealed class PostgresTestDatabase(PostgresServer server, string name) : ITestDatabase
{
    public string Name => name;

    public PostgresDatabaseOptions Options => new(PostgresAddress.Parse(server.Uri(name)));

    public static async Task<PostgresTestDatabase> CreateAsync(PostgresFixture postgres)
    {
        var server = await postgres.ServerAsync();
        return new PostgresTestDatabase(server, await server.CreateDatabaseAsync());
    }

    public Task<CoordinatorDatabase> OpenAsync() => OpenAsync(Options);

    public static async Task<CoordinatorDatabase> OpenAsync(PostgresDatabaseOptions options) => await PostgresDatabase.OpenAsync(options, _ => { }, CancellationToken.None);

    public async Task<CoordinatorDatabase> SeizeAsync()
    {
        await SqlAsync("CREATE TABLE seized AS SELECT epoch FROM lease");
        var opening = OpenAsync();
        // Again and again: whoever has it renews it, maybe before the other looks.
        do
            await SqlAsync("UPDATE lease SET expires_at = clock_timestamp() - interval '1 hour' WHERE epoch = (SELECT epoch FROM seized)");
        while (await Task.WhenAny(opening, Task.Delay(50)) != opening);
        await SqlAsync("DROP TABLE seized");
        return await opening;
    }

    public Task SqlAsync(string sql) => server.SqlAsync(name, sql);

    public async ValueTask DisposeAsync() => await server.DropDatabaseAsync(name);
}

/// <summary>The server that tests share; it starts with the first that needs it.</summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    public const string Collection = "PostgreSQL";

    private PostgresServer? _server;

    public async Task<PostgresServer> ServerAsync()
    {
        Skip.If(PostgresServer.Missing is not null, PostgresServer.Missing);
        return _server ??= await PostgresServer.StartAsync();
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
    }
}

[CollectionDefinition(PostgresFixture.Collection)]
public sealed class PostgresCollection : ICollectionFixture<PostgresFixture>;
