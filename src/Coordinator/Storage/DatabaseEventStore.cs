using System.Data.Common;
using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Storage;

/// <summary>Events in the database.</summary>
/// <param name="database">The database.</param>
public sealed class DatabaseEventStore(CoordinatorDatabase database) : IEventStore
{
    private const int ReadAtOnce = 1000;

    private const string Columns =
        """
        SELECT sequence, at, kind, subject, name, who, what, why, severity, lineage, generation, step, phase FROM events
        WHERE ($1 = 0 OR (1 << kind) & $1 <> 0)
        """;

    private const string OfSubject = " AND subject = $4";
    private const string Forwards = " AND sequence > $2 ORDER BY sequence LIMIT $3";
    private const string Backwards = " AND sequence < $2 ORDER BY sequence DESC LIMIT $3";

    /// <summary>A search looks through about so many events at most.</summary>
    internal int LookedThrough { get; init; } = IEventStore.LookedThrough;

    /// <inheritdoc/>
    public Task AppendAsync(IReadOnlyList<EventRow> events, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            foreach (var row in events)
            {
                session.Execute(
                    """
                    INSERT INTO events (at, kind, subject, name, who, what, why, severity, lineage, generation, step, phase)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                    """,
                    row.At.ToColumn(), (int)row.Kind, row.Subject, row.Name, row.Who, row.What, row.Why, (int)row.Severity,
                    row.Lineage, row.Generation, row.Step, row.Phase is { } phase ? (int)phase : 0);
            }
        },
        cancellationToken);

    /// <inheritdoc/>
    public async Task<EventPage> ReadAsync(EventQuery query, CancellationToken cancellationToken)
    {
        var found = new List<EventRow>();
        var cursor = query.Newest ? query.Before > 0 ? query.Before : long.MaxValue : query.After;
        var (lookedTo, atEnd) = (0L, false);
        // One more tells whether there is another page.
        for (var looked = 0; found.Count <= query.Maximum && looked < LookedThrough;)
        {
            var limit = query.Contains.Length == 0 ? query.Maximum + 1 - found.Count : ReadAtOnce;
            var rows = await database.ReadLongAsync(session => Read(session, query, cursor, limit), cancellationToken);
            found.AddRange(rows.Where(row => Contains(row, query.Contains)));
            if (rows.Count > 0)
                lookedTo = cursor = rows[^1].Sequence;
            atEnd = rows.Count < limit;
            if (atEnd)
                break;
            looked += rows.Count;
        }
        var full = found.Count > query.Maximum;
        if (full)
        {
            found.RemoveRange(query.Maximum, found.Count - query.Maximum);
            lookedTo = found[^1].Sequence;
        }
        if (query.Newest)
            found.Reverse();
        return new EventPage(found, full || !atEnd, lookedTo);
    }

    /// <summary>Adds an entry of a job's history, unless the history has it; before that is written, in the same transaction.</summary>
    internal static void Mirror(Session session, string jobId, JobHistoryEntry entry) => session.Execute(
        """
        INSERT INTO events (at, kind, subject, name, who, what, why, severity, lineage, generation, step, phase)
        SELECT $3, $4, $1, coalesce((SELECT name FROM jobs WHERE job_id = $1), $1), $5, $6, $7, $8, $9, $10, $11, $12
        WHERE NOT EXISTS (SELECT 1 FROM history WHERE job_id = $1 AND sequence = $2)
        """,
        jobId, entry.Sequence, entry.At.ToColumn(), (int)EventKind.Job, entry.Who, entry.What, entry.Why, (int)SeverityOf(entry),
        entry.Lineage, entry.Generation, entry.Step, (int)entry.Phase);

    // What a worker tells or is the cause of is a loss or a warning.
    private static EventSeverity SeverityOf(JobHistoryEntry entry)
    {
        if (entry.Phase == JobPhase.Failed)
            return EventSeverity.Error;
        return entry.Who.StartsWith("worker:", StringComparison.Ordinal) ? EventSeverity.Warning : EventSeverity.Info;
    }

    private static List<EventRow> Read(Session session, EventQuery query, long cursor, int limit)
    {
        var kinds = query.Kinds.Aggregate(0, (bits, kind) => bits | (1 << (int)kind));
        return (query.Newest, query.Subject.Length) switch
        {
            (true, 0) => session.All(Columns + Backwards, Row, kinds, cursor, limit),
            (false, 0) => session.All(Columns + Forwards, Row, kinds, cursor, limit),
            (true, _) => session.All(Columns + OfSubject + Backwards, Row, kinds, cursor, limit, query.Subject),
            (false, _) => session.All(Columns + OfSubject + Forwards, Row, kinds, cursor, limit, query.Subject),
        };
    }

    private static bool Contains(EventRow row, string text) =>
        text.Length == 0 || new[] { row.What, row.Why, row.Name, row.Subject, row.Who }.Any(part => part.Contains(text, StringComparison.OrdinalIgnoreCase));

    private static EventRow Row(DbDataReader row) => new()
    {
        Sequence = row.GetInt64(0),
        At = row.Time(1),
        Kind = (EventKind)row.GetInt32(2),
        Subject = row.GetString(3),
        Name = row.GetString(4),
        Who = row.GetString(5),
        What = row.GetString(6),
        Why = row.GetString(7),
        Severity = (EventSeverity)row.GetInt32(8),
        Lineage = row.GetInt32(9),
        Generation = row.GetInt32(10),
        Step = row.GetInt64(11),
        Phase = row.GetInt32(12) is var phase and > 0 ? (JobPhase)phase : null,
    };
}
