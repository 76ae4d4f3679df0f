namespace Linformer.Coordinator.Storage.Postgres;

/// <summary>Who has the lease.</summary>
/// <param name="Epoch">The epoch.</param>
/// <param name="Holder">The holder's id, under which its connections are known to the server.</param>
/// <param name="Words">The holder, for people.</param>
/// <param name="Expired">Whether its time is over.</param>
internal sealed record LeaseHolder(long Epoch, string Holder, string Words, bool Expired);

/// <summary>The row that says which coordinator may write, and until when. All times are of the server's clock.</summary>
internal static class PostgresLease
{
    /// <summary>What a coordinator's connections are called, before its id.</summary>
    public const string ApplicationPrefix = "linformer-";

    /// <summary>Who has the lease.</summary>
    public static LeaseHolder Read(Session session) => session.First(
        "SELECT epoch, holder, host, process_id, taken_at::text, expires_at <= clock_timestamp() FROM lease",
        row => new LeaseHolder(
            row.GetInt64(0), row.GetString(1), $"process {row.GetInt32(3)} on {row.GetString(2)}, since {row.GetString(4)}", row.GetBoolean(5)))
        ?? throw new StorageException("The row of the lease is missing in the database.");

    /// <summary>
    /// Ends the connections of a holder whose time is over: one that was stopped in the middle of a transaction would keep the row, and
    /// what it has done so far is undone. Connections of other users stay, until the server's own limits end them.
    /// </summary>
    public static void Disconnect(Session session, LeaseHolder former) => session.All(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database() AND usename = current_user",
        row => row.GetBoolean(0),
        ApplicationPrefix + former.Holder);

    /// <summary>Takes the lease if it is still as it was read, and its time is over.</summary>
    /// <returns>The new epoch; null if another was faster.</returns>
    public static long? Take(Session session, LeaseHolder former, string holder, TimeSpan duration)
    {
        session.BeginWrite();
        // Waits for the end of the former holder's transactions, which hold the row FOR KEY SHARE; a renewal does not.
        var free = session.First(
            "SELECT 1 FROM lease WHERE epoch = $1 AND expires_at <= clock_timestamp() FOR UPDATE", _ => true, former.Epoch);
        if (free)
        {
            session.Execute(
                """
                UPDATE lease SET epoch = epoch + 1, holder = $1, host = $2, process_id = $3, taken_at = clock_timestamp(),
                    expires_at = clock_timestamp() + make_interval(secs => $4)
                """,
                holder, Environment.MachineName, Environment.ProcessId, duration.TotalSeconds);
        }
        session.Commit();
        return free ? former.Epoch + 1 : null;
    }

    /// <summary>Gives this epoch more time, even if that was over: nobody else has had it.</summary>
    /// <returns>Whether the lease is still this epoch's.</returns>
    /// <remarks>One round trip: the statement is its own transaction.</remarks>
    public static bool Renew(Session session, long epoch, TimeSpan duration) => session.First(
        "UPDATE lease SET expires_at = clock_timestamp() + make_interval(secs => $2) WHERE epoch = $1 RETURNING 1",
        _ => true, epoch, duration.TotalSeconds);

    /// <summary>Gives the lease back, so that nobody has to wait for its end.</summary>
    public static void Release(Session session, long epoch)
    {
        session.BeginWrite();
        session.Execute("UPDATE lease SET expires_at = clock_timestamp() WHERE epoch = $1", epoch);
        session.Commit();
    }

    /// <summary>Checks inside a transaction that the lease is this epoch's and holds the row, so that nobody takes it before the end.</summary>
    /// <exception cref="FencedException">It is another's.</exception>
    /// <exception cref="DatabaseUnreachableException">It was not renewed in time.</exception>
    public static void Check(Session session, PostgresAddress address, long epoch)
    {
        var (current, expired) = session.First(
            "SELECT epoch, expires_at <= clock_timestamp() FROM lease FOR KEY SHARE", row => (row.GetInt64(0), row.GetBoolean(1)));
        if (current != epoch)
            throw Taken(address, epoch, Read(session));
        if (expired)
        {
            throw new DatabaseUnreachableException($"The lease of the database {address} was not renewed in time; nothing is written until it is.") { LeaseLapsed = true };
        }
    }

    /// <summary>Another coordinator has the lease.</summary>
    public static FencedException Taken(PostgresAddress address, long epoch, LeaseHolder holder) => new(
        $"Another coordinator has taken the database {address}: {holder.Words}, epoch {holder.Epoch}; this one's is {epoch}, so it writes nothing more and ends.");
}
