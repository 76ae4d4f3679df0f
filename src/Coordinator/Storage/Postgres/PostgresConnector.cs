using Npgsql;

namespace Linformer.Coordinator.Storage.Postgres;

/// <summary>Opens connections for one coordinator, under its name.</summary>
internal sealed class PostgresConnector : Connector, IDisposable
{
    private readonly NpgsqlDataSource _source;

    /// <summary>Prepares; nothing is opened yet.</summary>
    /// <param name="address">The server.</param>
    /// <param name="holder">The coordinator's id.</param>
    /// <param name="leaseDuration">For how long its lease is taken.</param>
    public PostgresConnector(PostgresAddress address, string holder, TimeSpan leaseDuration)
    {
        Address = address;
        var connection = address.Connection();
        // The sessions are kept by who opened them.
        connection.Pooling = false;
        connection.ApplicationName = PostgresLease.ApplicationPrefix + holder;
        // In seconds.
        connection.Timeout = 5;
        connection.CommandTimeout = 10;
        connection.MaxAutoPrepare = 64;
        connection.AutoPrepareMinUsages = 2;
        connection.GssEncryptionMode = GssEncryptionMode.Disable;
        // A coordinator that stands still must not keep what others wait for.
        var limit = (long)leaseDuration.TotalMilliseconds;
        connection.Options = $"-c idle_in_transaction_session_timeout={limit} -c lock_timeout={limit} -c statement_timeout=10000";
        _source = NpgsqlDataSource.Create(connection);
    }

    /// <summary>The server.</summary>
    public PostgresAddress Address { get; }

    /// <summary>This coordinator's epoch, once it has the lease.</summary>
    public long Epoch { get; set; }

    /// <inheritdoc/>
    public override string Name => Address.Display;

    /// <summary>Opens a connection.</summary>
    public PostgresSession Open() => new(_source);

    /// <inheritdoc/>
    public override Session OpenWriter() => Open();

    /// <inheritdoc/>
    public override Session OpenReader() => Open();

    /// <inheritdoc/>
    public override void CheckLease(Session session) => PostgresLease.Check(session, Address, Epoch);

    /// <inheritdoc/>
    public override StorageException? Explain(Exception exception) => PostgresErrors.Explain(Address, exception);

    /// <inheritdoc/>
    public void Dispose() => _source.Dispose();
}
