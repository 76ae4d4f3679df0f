using System.Data.Common;

namespace Linformer.Coordinator.Storage;

/// <summary>Reads samples of ranks, within one transaction.</summary>
internal static class RankSampleQuery
{
    private const int MostInAll = 20_000;

    private const string Columns =
        """
        SELECT s.sequence, s.lineage, s.generation, s.rank, s.step, s.member, s.worker, s.at, s.steps, s.data_milliseconds, s.forward_milliseconds,
            s.backward_milliseconds, s.reduce_milliseconds, s.update_milliseconds, s.other_milliseconds, s.memory_bytes, s.peak_memory_bytes, s.gpu_memory_bytes
        """;

    // The ranks of a generation, each found from the one before. $4 is the only one to look for, or -1.
    private const string Ranks =
        """
        WITH RECURSIVE ranks (rank) AS (
            SELECT min(rank) FROM rank_samples WHERE job_id = $1 AND lineage = $2 AND generation = $3 AND ($4 < 0 OR rank = $4)
            UNION ALL
            SELECT (SELECT min(rank) FROM rank_samples WHERE job_id = $1 AND lineage = $2 AND generation = $3 AND rank > ranks.rank AND $4 < 0)
            FROM ranks WHERE ranks.rank IS NOT NULL)
        """;

    /// <summary>Evenly chosen samples of a range; see <see cref="ITelemetryReader"/>.</summary>
    public static List<RankSampleRow> Read(Session session, string jobId, int? rank, long from, long to, int points)
    {
        var valid = ValidSteps.Read(session, jobId);
        if (valid.Count == 0)
            return [];
        from = Math.Max(from, valid[0].From);
        var newest = Newest(session, jobId, valid);
        to = to == 0 ? newest : Math.Min(to, newest);
        valid = [.. valid.Where(steps => steps.From <= to && steps.Before > from)];
        var ranks = valid.Select(steps => CountRanks(session, jobId, rank, steps)).DefaultIfEmpty(0).Max();
        if (from > to || ranks == 0)
            return [];
        var most = Math.Clamp(MostInAll / ranks, 1, points);
        var width = (to - from + most) / most;
        var rows = new Dictionary<(int Rank, long Part), RankSampleRow>();
        foreach (var row in valid.SelectMany(steps => Read(session, jobId, rank, steps, from, to, width)))
            rows[(row.Rank, (row.Step - from) / width)] = row;
        return [.. rows.Values.OrderBy(row => row.Rank).ThenBy(row => row.Step)];
    }

    /// <summary>Samples after one.</summary>
    public static List<RankSampleRow> ReadAfter(Session session, string jobId, long sequence, int maximum) => session.All(
        Columns + " FROM rank_samples AS s WHERE s.job_id = $1 AND s.sequence > $2 ORDER BY s.sequence LIMIT $3", Row, jobId, sequence, maximum);

    private static long CountRanks(Session session, string jobId, int? rank, ValidSteps steps) =>
        session.First(Ranks + " SELECT count(rank) FROM ranks", row => row.GetInt64(0), jobId, steps.Lineage, steps.Generation, rank ?? -1);

    // The newest generation may have no sample yet.
    private static long Newest(Session session, string jobId, IReadOnlyList<ValidSteps> valid) => valid.Reverse()
        .Select(steps => session.First(
            Ranks + """
             SELECT max((
                SELECT max(step) FROM rank_samples AS s WHERE s.job_id = $1 AND s.lineage = $2 AND s.generation = $3 AND s.rank = ranks.rank AND s.step < $5))
            FROM ranks
            """,
            row => row.IsDBNull(0) ? 0 : row.GetInt64(0),
            jobId, steps.Lineage, steps.Generation, -1, steps.Before))
        .FirstOrDefault(step => step > 0);

    // Of each part of the range, and each rank, the newest sample of what counts of the generation. The order of joins is said, since
    // SQLite would look for each of all samples whether it is one of these.
    private static List<RankSampleRow> Read(Session session, string jobId, int? rank, ValidSteps steps, long from, long to, long width)
    {
        var first = Math.Max(from, steps.From);
        var before = Math.Min(to + 1, steps.Before);
        return session.All(
            Ranks + """
            , parts (first) AS (
                SELECT CAST($5 AS BIGINT)
                UNION ALL
                SELECT first + $6 FROM parts WHERE first + $6 < $7),
            chosen (sequence) AS (
                SELECT (
                    SELECT sequence FROM rank_samples AS one
                    WHERE one.job_id = $1 AND one.lineage = $2 AND one.generation = $3 AND one.rank = ranks.rank
                    AND one.step >= parts.first AND one.step >= $8 AND one.step < parts.first + $6 AND one.step < $7
                    ORDER BY step DESC LIMIT 1)
                FROM ranks CROSS JOIN parts)
            """
            + Columns + " FROM chosen CROSS JOIN rank_samples AS s WHERE s.sequence = chosen.sequence",
            Row,
            jobId, steps.Lineage, steps.Generation, rank ?? -1, first - ((first - from) % width), width, before, first);
    }

    private static RankSampleRow Row(DbDataReader row) => new(
        row.GetInt64(0), row.GetInt32(1), row.GetInt32(2), row.GetInt32(3), row.GetInt64(4), row.GetInt64(5), row.GetString(6), row.Time(7), row.GetInt32(8),
        row.GetDouble(9), row.GetDouble(10), row.GetDouble(11), row.GetDouble(12), row.GetDouble(13), row.GetDouble(14),
        row.GetInt64(15), row.GetInt64(16), row.GetInt64(17));
}
