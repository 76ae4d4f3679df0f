namespace Linformer.Coordinator.Storage.Metrics;

/// <summary>
/// The table <c>metric_rollups</c>: of each generation of each job, the numbers of every 32, 256 and 2,048 steps, brought together.
/// It is changed in the transaction that changes <c>metrics</c>, and always says what can be read there.
/// </summary>
internal static class RollupTable
{
    // Steps that are further apart are looked for one by one.
    private const long LargestGap = 64;

    private static readonly long[] Levels = [32, 256, 2048];

    private static readonly string[] Series = ["loss", "learning_rate", "tokens_per_second", "gradient_norm", "held_out_loss", "world_size"];

    private static readonly string Merge = MergeSql();

    private static readonly string[] Rebuilds = [.. Levels.Select(RebuildSql)];

    /// <summary>The sizes of the buckets in steps, each a multiple of the one before. Buckets begin at multiples of their size.</summary>
    public static ReadOnlySpan<long> Sizes => Levels;

    /// <summary>What is not recorded yet of what one generation has sent, a row per step.</summary>
    public static List<MetricRow> New(Session session, string jobId, IEnumerable<MetricRow> sent)
    {
        var rows = sent.DistinctBy(row => row.Step).OrderBy(row => row.Step).ToList();
        var known = new HashSet<long>();
        for (var (from, i) = (0, 1); i <= rows.Count; i++)
        {
            if (i < rows.Count && rows[i].Step - rows[i - 1].Step <= LargestGap)
                continue;
            known.UnionWith(session.All(
                "SELECT step FROM metrics WHERE job_id = $1 AND lineage = $2 AND generation = $3 AND step BETWEEN $4 AND $5",
                row => row.GetInt64(0),
                jobId, rows[from].Lineage, rows[from].Generation, rows[from].Step, rows[i - 1].Step));
            from = i;
        }
        rows.RemoveAll(row => known.Contains(row.Step));
        return rows;
    }

    /// <summary>Adds rows of one generation that were not recorded before.</summary>
    public static void Add(Session session, string jobId, List<MetricRow> rows)
    {
        if (rows.Count == 0)
            return;
        var buckets = rows.ConvertAll(MetricBucket.Of);
        foreach (var size in Levels)
        {
            buckets = [.. buckets.GroupBy(bucket => bucket.FirstStep / size).Select(group => group.Aggregate((one, other) => one.And(other)))];
            foreach (var bucket in buckets)
                Write(session, jobId, rows[0].Lineage, rows[0].Generation, size, bucket);
        }
    }

    /// <summary>Makes the buckets anew that steps of a generation are in, from the rows that there are.</summary>
    /// <param name="session">The transaction that has changed the rows.</param>
    /// <param name="jobId">The job.</param>
    /// <param name="lineage">The lineage.</param>
    /// <param name="generation">The generation.</param>
    /// <param name="first">The first step of which the row may have changed.</param>
    /// <param name="last">The last one.</param>
    public static void Rebuild(Session session, string jobId, int lineage, int generation, long first, long last)
    {
        for (var level = 0; level < Levels.Length; level++)
        {
            var size = Levels[level];
            var from = first - (first % size);
            var before = last - (last % size) + size;
            session.Execute(
                "DELETE FROM metric_rollups WHERE job_id = $1 AND lineage = $2 AND generation = $3 AND level = $4 AND from_step >= $5 AND from_step < $6",
                jobId, lineage, generation, size, from, before);
            session.Execute(Rebuilds[level], jobId, lineage, generation, from, before);
        }
    }

    private static void Write(Session session, string jobId, int lineage, int generation, long size, MetricBucket bucket) => session.Execute(
        Merge,
        [
            jobId, lineage, generation, size, bucket.FirstStep - (bucket.FirstStep % size), bucket.FirstStep, bucket.LastStep, bucket.At.ToColumn(), bucket.Steps,
            .. Columns(bucket.Loss), .. Columns(bucket.LearningRate), .. Columns(bucket.TokensPerSecond),
            .. Columns(bucket.GradientNorm), .. Columns(bucket.HeldOutLoss), .. Columns(bucket.WorldSize),
        ]);

    private static object?[] Columns(SeriesSummary series) =>
        series.Count == 0 ? [0L, null, 0.0, null] : [series.Count, series.Minimum, series.Sum, series.Maximum];

    private static string MergeSql()
    {
        var parameters = string.Join(", ", Enumerable.Range(1, 9 + (4 * Series.Length)).Select(number => $"${number}"));
        var merged = Series.SelectMany(name => (string[])
        [
            $"{name}_count = old.{name}_count + excluded.{name}_count",
            $"{name}_min = CASE WHEN old.{name}_min IS NULL OR excluded.{name}_min < old.{name}_min THEN excluded.{name}_min ELSE old.{name}_min END",
            $"{name}_sum = old.{name}_sum + excluded.{name}_sum",
            $"{name}_max = CASE WHEN old.{name}_max IS NULL OR excluded.{name}_max > old.{name}_max THEN excluded.{name}_max ELSE old.{name}_max END",
        ]);
        return $"""
            INSERT INTO metric_rollups AS old VALUES ({parameters}) ON CONFLICT (job_id, lineage, generation, level, from_step) DO UPDATE SET
                first_step = CASE WHEN excluded.first_step < old.first_step THEN excluded.first_step ELSE old.first_step END,
                last_step = CASE WHEN excluded.last_step > old.last_step THEN excluded.last_step ELSE old.last_step END,
                last_at = CASE WHEN excluded.last_at > old.last_at THEN excluded.last_at ELSE old.last_at END,
                steps = old.steps + excluded.steps,
                {string.Join(", ", merged)}
            """;
    }

    // The smallest buckets from the rows, others from those of the size before.
    private static string RebuildSql(long size)
    {
        var part = size == Levels[0] ? 0 : Levels[Array.IndexOf(Levels, size) - 1];
        var (step, source) = part == 0 ? ("step", "metrics WHERE") : ("from_step", $"metric_rollups WHERE level = {part} AND");
        var stand = part == 0 ? "min(step), max(step), max(at), count(*)" : "min(first_step), max(last_step), max(last_at), sum(steps)";
        var series = Series.Select(name =>
        {
            var counted = $"CASE WHEN {name} BETWEEN -1e300 AND 1e300 THEN {name} END";
            return part == 0
                ? $"count({counted}), min({counted}), coalesce(sum({counted}), 0), max({counted})"
                : $"sum({name}_count), min({name}_min), sum({name}_sum), max({name}_max)";
        });
        return $"""
            INSERT INTO metric_rollups
            SELECT job_id, lineage, generation, {size}, {step} - {step} % {size}, {stand}, {string.Join(", ", series)}
            FROM {source} job_id = $1 AND lineage = $2 AND generation = $3 AND {step} >= $4 AND {step} < $5
            GROUP BY job_id, lineage, generation, {step} - {step} % {size}
            """;
    }
}
