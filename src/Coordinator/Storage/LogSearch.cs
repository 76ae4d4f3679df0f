namespace Linformer.Coordinator.Storage;

/// <summary>Reads pages of the log, within one transaction.</summary>
internal static class LogSearch
{
    private const int ReadAtOnce = 500;

    // What a call looks through at most, and what it answers at most, in characters.
    private const int MostLines = 20_000;
    private const long MostRead = 16 << 20;
    private const long MostAnswered = 1 << 20;

    private const string Columns = "SELECT sequence, member, generation, rank, number, at, worker, text FROM logs WHERE job_id = $1";
    private const string OfRank = " AND rank = $4";
    private const string Forwards = " AND sequence > $2 ORDER BY sequence LIMIT $3";
    private const string Backwards = " AND sequence < $2 ORDER BY sequence DESC LIMIT $3";

    /// <summary>A page; see <see cref="ITelemetryReader"/>.</summary>
    public static LogPage Read(Session session, LogQuery query)
    {
        var found = new List<LogRow>();
        var looked = 0L;
        var (lines, read, answered) = (0, 0L, 0L);
        var more = false;
        foreach (var row in Rows(session, query))
        {
            more = found.Count >= query.Maximum || lines >= MostLines || read >= MostRead || answered >= MostAnswered;
            if (more)
                break;
            looked = row.Sequence;
            lines++;
            read += row.Text.Length;
            if (query.Contains.Length > 0 && !row.Text.Contains(query.Contains, StringComparison.OrdinalIgnoreCase))
                continue;
            found.Add(row);
            answered += row.Text.Length;
        }
        if (query.After == 0)
            found.Reverse();
        return new LogPage(found, more, looked);
    }

    private static IEnumerable<LogRow> Rows(Session session, LogQuery query)
    {
        var backwards = query.After == 0;
        var cursor = !backwards ? query.After : query.Before > 0 ? query.Before : long.MaxValue;
        while (true)
        {
            var page = (backwards, query.Rank) switch
            {
                (true, null) => session.All(Columns + Backwards, DatabaseTelemetryStore.Log, query.JobId, cursor, ReadAtOnce),
                (false, null) => session.All(Columns + Forwards, DatabaseTelemetryStore.Log, query.JobId, cursor, ReadAtOnce),
                (true, { } rank) => session.All(Columns + OfRank + Backwards, DatabaseTelemetryStore.Log, query.JobId, cursor, ReadAtOnce, rank),
                (false, { } rank) => session.All(Columns + OfRank + Forwards, DatabaseTelemetryStore.Log, query.JobId, cursor, ReadAtOnce, rank),
            };
            foreach (var row in page)
                yield return row;
            if (page.Count < ReadAtOnce)
                yield break;
            cursor = page[^1].Sequence;
        }
    }
}
