namespace Linformer.Coordinator.Storage.Postgres;

/// <summary>Waits for the lease. Its calls block, so they run on a thread of the pool, a few at a time.</summary>
internal sealed class LeaseWait(PostgresConnector connector, PostgresDatabaseOptions options, string holder, Action<string> waiting)
{
    private const int OldestServer = 13;

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    private PostgresSession? _session;
    private bool _connected = options.WaitForServer;
    private string? _told;

    /// <summary>Returns once this coordinator has the lease.</summary>
    /// <returns>Its epoch.</returns>
    /// <exception cref="DatabaseUnreachableException">The server did not answer at the first try, and was not to be waited for.</exception>
    /// <exception cref="StorageException">The database cannot be used.</exception>
    public async Task<long> TakeAsync(CancellationToken cancellationToken)
    {
        try
        {
            var pause = options.StandbyInterval;
            while (true)
            {
                try
                {
                    if (await Task.Run(Try, cancellationToken) is { } epoch)
                        return epoch;
                    pause = options.StandbyInterval;
                }
                catch (Exception exception) when (_connected && connector.Explain(exception) is DatabaseUnreachableException away)
                {
                    Drop();
                    Tell(away.Message);
                    pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
                }
                await Task.Delay(pause, cancellationToken);
            }
        }
        finally
        {
            Drop();
        }
    }

    private long? Try()
    {
        if (_session is null)
        {
            _session = connector.Open();
            CheckServer(_session);
            PostgresSchema.Prepare(_session);
            PostgresSchema.Check(_session, connector.Address);
            _connected = true;
        }
        var former = PostgresLease.Read(_session);
        if (!former.Expired)
        {
            Tell($"Another coordinator is active: {former.Words}. This one stands by and takes over when that one ends.");
            return null;
        }
        if (former.Holder.Length > 0)
            PostgresLease.Disconnect(_session, former);
        return PostgresLease.Take(_session, former, holder, options.LeaseDuration);
    }

    private void CheckServer(PostgresSession session)
    {
        if (session.ServerVersion.Major < OldestServer)
        {
            throw new StorageException(
                $"The database {connector.Address} is on PostgreSQL {session.ServerVersion}; version {OldestServer} or a newer one is needed.");
        }
    }

    private void Tell(string what)
    {
        if (what == _told)
            return;
        _told = what;
        waiting(what);
    }

    private void Drop()
    {
        _session?.Dispose();
        _session = null;
    }
}
