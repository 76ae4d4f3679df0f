using System.Diagnostics;

namespace Linformer.Coordinator.Storage.Postgres;

/// <summary>
/// Renews the lease on a thread and a connection of its own, so that neither slow writes nor a busy process let it expire.
/// </summary>
internal sealed class LeaseKeeper : IAsyncDisposable
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(200);

    private readonly PostgresConnector _connector;
    private readonly PostgresDatabaseOptions _options;
    private readonly Action<StorageException> _lost;
    private readonly ManualResetEventSlim _stop = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Starts to renew.</summary>
    /// <param name="connector">The database, whose lease was just taken.</param>
    /// <param name="options">How often, for how long, and with how much patience.</param>
    /// <param name="lost">Told when another has the lease, or when the database was away for too long.</param>
    public LeaseKeeper(PostgresConnector connector, PostgresDatabaseOptions options, Action<StorageException> lost)
    {
        (_connector, _options, _lost) = (connector, options, lost);
        new Thread(Run) { IsBackground = true, Name = "Database lease" }.Start();
    }

    /// <summary>Ends the renewals, and gives the lease back if the database answers.</summary>
    public async ValueTask DisposeAsync()
    {
        _stop.Set();
        await _ended.Task;
        _stop.Dispose();
    }

    private void Run()
    {
        Session? session = null;
        // Counted from the first failure, not from the last success: a process that stood still has not asked meanwhile, and its
        // second try tells whether another has the lease.
        var failingSince = 0L;
        while (!_stop.Wait(failingSince != 0 && RetryInterval < _options.RenewalInterval ? RetryInterval : _options.RenewalInterval))
        {
            var started = Stopwatch.GetTimestamp();
            if (Try(ref session, open => PostgresLease.Renew(open, _connector.Epoch, _options.LeaseDuration) ? null : Taken(open)) is not { } failure)
            {
                failingSince = 0;
            }
            else if (failure is FencedException || (failingSince != 0 && Stopwatch.GetElapsedTime(failingSince) > _options.Patience))
            {
                _lost(failure);
                break;
            }
            else if (failingSince == 0)
            {
                failingSince = started;
            }
        }
        Try(
            ref session,
            open =>
            {
                PostgresLease.Release(open, _connector.Epoch);
                return null;
            });
        session?.Dispose();
        _ended.SetResult();
    }

    private FencedException Taken(Session session) => PostgresLease.Taken(_connector.Address, _connector.Epoch, PostgresLease.Read(session));

    private StorageException? Try(ref Session? session, Func<Session, StorageException?> action)
    {
        try
        {
            session ??= _connector.OpenWriter();
            return action(session);
        }
        catch (Exception exception) when (_connector.Explain(exception) is { } explained)
        {
            session?.Dispose();
            session = null;
            return explained;
        }
    }
}
