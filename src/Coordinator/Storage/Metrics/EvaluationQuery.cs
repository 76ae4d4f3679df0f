namespace Linformer.Coordinator.Storage.Metrics;

/// <summary>Reads the evaluations of a job that measured more than the loss, within one transaction.</summary>
internal static class EvaluationQuery
{
    // Only what evaluated is in the index that this goes through.
    private const string Measured =
        " FROM metrics WHERE job_id = $1 AND lineage = $2 AND generation = $3 AND step >= $4 AND step < $5 AND held_out_loss IS NOT NULL AND measures IS NOT NULL";

    /// <summary>At most so many of those of a range of steps, evenly chosen from the newest on.</summary>
    /// <param name="session">The transaction.</param>
    /// <param name="jobId">The job.</param>
    /// <param name="from">The first step; 0 for the oldest.</param>
    /// <param name="to">The last step; 0 for the newest.</param>
    /// <param name="points">The most.</param>
    public static List<MetricRow> Read(Session session, string jobId, long from, long to, int points)
    {
        var pieces = ValidSteps.Read(session, jobId)
            .Select(valid => (valid.Lineage, valid.Generation, From: Math.Max(valid.From, from), Before: to is 0 or long.MaxValue ? valid.Before : Math.Min(valid.Before, to + 1)))
            .Where(piece => piece.From < piece.Before)
            .Select(piece => (Piece: piece, Count: session.First("SELECT count(*)" + Measured, row => row.GetInt64(0), jobId, piece.Lineage, piece.Generation, piece.From, piece.Before)))
            .Where(piece => piece.Count > 0)
            .ToList();
        var every = Math.Max(1, (pieces.Sum(piece => piece.Count) + points - 1) / points);
        var (rows, newer) = (new List<MetricRow>(), 0L);
        for (var i = pieces.Count - 1; i >= 0; i--)
        {
            var (piece, count) = pieces[i];
            var chosen = session.All(
                $"SELECT {DatabaseTelemetryStore.MetricFields} FROM (SELECT {DatabaseTelemetryStore.MetricFields}, row_number() OVER (ORDER BY step DESC) AS number{Measured}) AS numbered "
                + "WHERE (number - 1 + $6) % $7 = 0 ORDER BY step DESC",
                DatabaseTelemetryStore.Metric, jobId, piece.Lineage, piece.Generation, piece.From, piece.Before, newer, every);
            rows.AddRange(chosen);
            newer += count;
        }
        rows.Reverse();
        return rows;
    }
}
