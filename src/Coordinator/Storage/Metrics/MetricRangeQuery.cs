using System.Data.Common;

namespace Linformer.Coordinator.Storage.Metrics;

/// <summary>Reads ranges of metrics, within one transaction.</summary>
internal static class MetricRangeQuery
{
    private const string Series =
        """
        loss_count, loss_min, loss_sum, loss_max, learning_rate_count, learning_rate_min, learning_rate_sum, learning_rate_max,
        tokens_per_second_count, tokens_per_second_min, tokens_per_second_sum, tokens_per_second_max,
        gradient_norm_count, gradient_norm_min, gradient_norm_sum, gradient_norm_max,
        held_out_loss_count, held_out_loss_min, held_out_loss_sum, held_out_loss_max,
        world_size_count, world_size_min, world_size_sum, world_size_max
        """;

    private const string OfRows = " FROM metrics WHERE job_id = $1 AND lineage = $2 AND generation = $3 AND step >= $4 AND step < $5";

    private const string OfRollups =
        " FROM metric_rollups WHERE job_id = $1 AND lineage = $2 AND generation = $3 AND from_step >= $4 AND from_step < $5 AND level = $6";

    /// <summary>A range as at most so many buckets.</summary>
    /// <param name="session">The transaction.</param>
    /// <param name="jobId">The job.</param>
    /// <param name="from">The first step; 0 for the oldest.</param>
    /// <param name="to">The last step; 0 for the newest.</param>
    /// <param name="points">The most buckets.</param>
    public static MetricRange Read(Session session, string jobId, long from, long to, int points)
    {
        var valid = ValidSteps.Read(session, jobId);
        if (valid.Count == 0)
            return MetricRange.Empty;
        var (oldest, newest) = (valid[0].From, Newest(session, jobId, valid));
        (from, to) = (Math.Max(from, oldest), to == 0 ? newest : Math.Min(to, newest));
        if (from > to)
            return new MetricRange(1, oldest, newest, []);
        var plan = MetricPlan.Of(valid, RollupTable.Sizes, from, to, newest, points);
        var buckets = new MetricBucket?[plan.BucketOf(to) + 1];
        foreach (var piece in plan.Pieces)
        {
            foreach (var part in Read(session, jobId, piece))
            {
                ref var bucket = ref buckets[plan.BucketOf(part.FirstStep)];
                bucket = bucket?.And(part) ?? part;
            }
        }
        return new MetricRange(plan.StepsPerBucket, oldest, newest, [.. buckets.OfType<MetricBucket>()]);
    }

    /// <summary>The mean losses of at most so many equal parts of all steps; NaN where none is finite.</summary>
    public static double[] ReadLossLine(Session session, string jobId, int points)
    {
        var valid = ValidSteps.Read(session, jobId);
        if (valid.Count == 0)
            return [];
        var (oldest, newest) = (valid[0].From, Newest(session, jobId, valid));
        var plan = MetricPlan.Of(valid, RollupTable.Sizes, oldest, newest, newest, points);
        var parts = new SeriesSummary[plan.BucketOf(newest) + 1];
        foreach (var piece in plan.Pieces)
        {
            foreach (var (step, loss) in ReadLoss(session, jobId, piece))
                parts[plan.BucketOf(step)] = parts[plan.BucketOf(step)].And(loss);
        }
        return Array.ConvertAll(parts, part => part.Mean);
    }

    private static long Newest(Session session, string jobId, IReadOnlyList<ValidSteps> valid) => Math.Max(valid[^1].From, session.First(
        "SELECT step FROM metrics WHERE job_id = $1 AND lineage = $2 AND generation = $3 ORDER BY step DESC LIMIT 1",
        row => row.GetInt64(0),
        jobId, valid[^1].Lineage, valid[^1].Generation));

    private static List<MetricBucket> Read(Session session, string jobId, MetricPiece piece) => piece.Size == 1
        ? session.All(
            "SELECT step, at, loss, learning_rate, tokens_per_second, gradient_norm, held_out_loss, world_size" + OfRows,
            Step, jobId, piece.Lineage, piece.Generation, piece.From, piece.Before)
        : session.All(
            "SELECT first_step, last_step, last_at, steps, " + Series + OfRollups,
            Rollup, jobId, piece.Lineage, piece.Generation, piece.From, piece.Before, piece.Size);

    private static List<(long Step, SeriesSummary Loss)> ReadLoss(Session session, string jobId, MetricPiece piece) => piece.Size == 1
        ? session.All(
            "SELECT step, loss" + OfRows,
            row => (row.GetInt64(0), SeriesSummary.Of(row.Number(1))),
            jobId, piece.Lineage, piece.Generation, piece.From, piece.Before)
        : session.All(
            "SELECT first_step, loss_count, loss_min, loss_sum, loss_max" + OfRollups,
            row => (row.GetInt64(0), Summary(row, 1)),
            jobId, piece.Lineage, piece.Generation, piece.From, piece.Before, piece.Size);

    private static MetricBucket Step(DbDataReader row) => new(
        row.GetInt64(0),
        row.GetInt64(0),
        row.Time(1),
        1,
        SeriesSummary.Of(row.Number(2)),
        SeriesSummary.Of(row.Number(3)),
        SeriesSummary.Of(row.Number(4)),
        SeriesSummary.Of(row.Number(5)),
        SeriesSummary.Of(row.Number(6)),
        SeriesSummary.Of(row.GetInt32(7)));

    private static MetricBucket Rollup(DbDataReader row) => new(
        row.GetInt64(0),
        row.GetInt64(1),
        row.Time(2),
        row.GetInt32(3),
        Summary(row, 4),
        Summary(row, 8),
        Summary(row, 12),
        Summary(row, 16),
        Summary(row, 20),
        Summary(row, 24));

    private static SeriesSummary Summary(DbDataReader row, int column) => row.GetInt32(column) is > 0 and var count
        ? new SeriesSummary(count, row.GetDouble(column + 1), row.GetDouble(column + 2), row.GetDouble(column + 3))
        : SeriesSummary.None;
}
