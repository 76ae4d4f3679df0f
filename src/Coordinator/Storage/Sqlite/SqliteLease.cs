namespace Linformer.Coordinator.Storage.Sqlite;

/// <summary>The row that says which coordinator may write. Its time is the database's.</summary>
internal static class SqliteLease
{
    /// <summary>Takes the lease, whoever has it.</summary>
    /// <returns>The new epoch.</returns>
    public static long Take(Session session) => session.First(
        """
        INSERT INTO lease (id, epoch, host, process_id, taken_at)
        VALUES (1, 1, $1, $2, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
        ON CONFLICT (id) DO UPDATE SET epoch = epoch + 1, host = $1, process_id = $2, taken_at = excluded.taken_at
        RETURNING epoch
        """,
        row => row.GetInt64(0),
        Environment.MachineName,
        Environment.ProcessId);

    /// <summary>Checks inside a transaction that the lease is still this epoch's.</summary>
    /// <exception cref="FencedException">It is not.</exception>
    public static void Check(Session session, string path, long epoch)
    {
        var current = session.First("SELECT epoch FROM lease", row => row.GetInt64(0));
        if (current != epoch)
        {
            throw new FencedException(
                $"Another coordinator has taken the database {path}: {Holder(session)}, epoch {current}; this one's is {epoch}, so it writes nothing more and ends.");
        }
    }

    /// <summary>Who has the lease, in words; null for nobody.</summary>
    public static string? Holder(Session session) => session.First(
        "SELECT process_id, host, taken_at FROM lease",
        row => $"process {row.GetInt64(0)} on {row.GetString(1)}, since {row.GetString(2)}");
}
