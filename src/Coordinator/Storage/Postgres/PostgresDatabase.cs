namespace Linformer.Coordinator.Storage.Postgres;

/// <summary>How the database is opened.</summary>
/// <param name="Address">The server.</param>
public sealed record PostgresDatabaseOptions(PostgresAddress Address)
{
    /// <summary>A coordinator that has not renewed its lease for so long may be replaced.</summary>
    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How often the lease is renewed.</summary>
    public TimeSpan RenewalInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often a standby looks whether the lease is free.</summary>
    public TimeSpan StandbyInterval { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>After so long without an answer of the server the lease is given up.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether opening waits for a server that does not answer, rather than to fail.</summary>
    public bool WaitForServer { get; init; }

    /// <summary>Reads at the same time.</summary>
    public int Readers { get; init; } = 4;
}

/// <summary>The coordinator's database on a PostgreSQL server. Several coordinators may open it: the one with the lease gets it, the others wait.</summary>
public sealed class PostgresDatabase : CoordinatorDatabase
{
    private readonly PostgresConnector _connector;
    private readonly LeaseKeeper _lease;

    private PostgresDatabase(PostgresConnector connector, PostgresDatabaseOptions options)
        : base(connector, connector.Epoch, options.Readers)
    {
        _connector = connector;
        _lease = new LeaseKeeper(connector, options, Lose);
    }

    /// <summary>Opens the database once the lease is free, and makes its tables if they are not there.</summary>
    /// <param name="options">Where and how.</param>
    /// <param name="waiting">Told in words what is waited for, each time that changes.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="DatabaseUnreachableException">The server does not answer.</exception>
    /// <exception cref="StorageException">The server is too old or refuses the user, or the tables are of a newer program or cannot be made.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public static async Task<PostgresDatabase> OpenAsync(PostgresDatabaseOptions options, Action<string> waiting, CancellationToken cancellationToken)
    {
        var holder = Guid.NewGuid().ToString("N");
        var connector = new PostgresConnector(options.Address, holder, options.LeaseDuration);
        try
        {
            connector.Epoch = await new LeaseWait(connector, options, holder, waiting).TakeAsync(cancellationToken);
            var database = new PostgresDatabase(connector, options);
            try
            {
                await Task.Run(() => Migrate(connector), cancellationToken);
                return database;
            }
            catch
            {
                await database.DisposeAsync();
                throw;
            }
        }
        catch (Exception exception)
        {
            connector.Dispose();
            // What was in the way of one that is not wanted any more is nobody's business.
            cancellationToken.ThrowIfCancellationRequested();
            if (connector.Explain(exception) is { } explained)
                throw explained;
            throw;
        }
    }

    private protected override async Task ReleaseAsync()
    {
        await _lease.DisposeAsync();
        _connector.Dispose();
    }

    // With the lease, so that no coordinator of an older program writes meanwhile.
    private static void Migrate(PostgresConnector connector)
    {
        using var session = connector.Open();
        PostgresSchema.Apply(session, connector.Address, connector.Epoch);
    }
}
