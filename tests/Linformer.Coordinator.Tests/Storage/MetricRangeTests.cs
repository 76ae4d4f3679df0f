using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Metrics;

namespace Linformer.Coordinator.Tests.Storage;

public sealed class SqliteMetricRangeTests() : MetricRangeTests(null);

[Collection(PostgresFixture.Collection)]
public sealed class PostgresMetricRangeTests(PostgresFixture postgres) : MetricRangeTests(postgres);

/// <summary>Ranges of metrics beside what the rows say, on every kind of database.</summary>
public abstract class MetricRangeTests(PostgresFixture? postgres) : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly long[] Sizes = [1, 32, 256, 2048];

    private ITestDatabase _home = null!;
    private CoordinatorDatabase _database = null!;
    private DatabaseTelemetryStore _telemetry = null!;
    private DatabaseTelemetryReader _reader = null!;

    public async Task InitializeAsync()
    {
        _home = await TestDatabases.CreateAsync(postgres);
        await OpenAsync();
    }

    public async Task DisposeAsync()
    {
        await _database.DisposeAsync();
        await _home.DisposeAsync();
    }

    [SkippableFact]
    public async Task A_job_without_steps_has_an_empty_range()
    {
        await _telemetry.BeginGenerationAsync("a", 0, 1, 1, None);
        (await _reader.MetricRangeAsync("a", 0, 0, 100, None)).ShouldBe(MetricRange.Empty);
        (await _reader.LossLinesAsync(["a", "none"], 10, None)).ShouldAllBe(line => line.IsEmpty);
    }

    [SkippableFact]
    public async Task In_any_history_every_range_says_what_the_rows_say()
    {
        for (var seed = 0; seed < 12; seed++)
        {
            var random = new Random(seed);
            var job = $"seed-{seed}";
            var rows = await RecordHistoryAsync(job, random);
            await CheckAsync(job, rows, random, customMessage: $"seed {seed}");
        }
    }

    [SkippableFact]
    public async Task Evaluations_that_measured_something_are_chosen_evenly_from_the_newest_on_of_the_steps_that_count()
    {
        MetricRow At(int generation, long step, double? accuracy) => Metric(0, generation, step) with
        {
            HeldOutLoss = step % 10 == 0 ? 1 : null,
            Measures = accuracy is { } value ? new MeasureValues([new("accuracy", value)]) : null,
        };
        // The second generation takes the steps from 61 on again.
        await RecordAsync("a", [.. Enumerable.Range(1, 100).Select(step => At(1, step, step % 10 == 0 ? 0.1 : null)), .. Enumerable.Range(61, 60).Select(step => At(2, step, step % 10 == 0 ? 0.2 : null))]);
        await RecordAsync("plain", [At(1, 10, null), At(1, 20, null)]);

        var all = await _reader.EvaluationsAsync("a", 0, 0, 100, None);
        all.Select(row => (row.Step, row.Measures!.Values["accuracy"])).ShouldBe(Enumerable.Range(1, 12).Select(i => (10L * i, i <= 6 ? 0.1 : 0.2)));
        (await _reader.EvaluationsAsync("a", 0, 0, 4, None)).Select(row => row.Step).ShouldBe([30L, 60, 90, 120]);
        (await _reader.EvaluationsAsync("a", 0, 0, 5, None)).Count.ShouldBeLessThanOrEqualTo(5);
        (await _reader.EvaluationsAsync("a", 50, 70, 100, None)).Select(row => row.Step).ShouldBe([50L, 60, 70]);
        (await _reader.EvaluationsAsync("a", 121, long.MaxValue, 100, None)).ShouldBeEmpty();
        (await _reader.EvaluationsAsync("plain", 0, 0, 100, None)).ShouldBeEmpty();
        (await _reader.EvaluationsAsync("none", 0, 0, 100, None)).ShouldBeEmpty();
    }

    [SkippableFact]
    public async Task What_is_not_finite_is_left_out_and_a_bucket_without_any_number_has_none()
    {
        MetricRow[] rows =
        [
            Metric(0, 1, 1) with { Loss = double.NaN },
            Metric(0, 1, 2) with { Loss = double.PositiveInfinity },
            Metric(0, 1, 3) with { Loss = 4, GradientNorm = null },
            Metric(0, 1, 4) with { Loss = 2, GradientNorm = double.NegativeInfinity },
            Metric(0, 1, 5) with { Loss = double.NaN, HeldOutLoss = double.NaN },
            Metric(0, 1, 6) with { Loss = double.MaxValue },
        ];
        await RecordAsync("a", rows);

        var buckets = (await _reader.MetricRangeAsync("a", 0, 0, 3, None)).Buckets;

        buckets.Select(bucket => bucket.Loss).ShouldBe([SeriesSummary.None, new SeriesSummary(2, 2, 6, 4), SeriesSummary.None]);
        buckets[1].GradientNorm.ShouldBe(SeriesSummary.None);
        buckets[2].HeldOutLoss.ShouldBe(SeriesSummary.None);
        (await _reader.LossLinesAsync(["a"], 3, None))[0].ShouldBe([double.NaN, 3, double.NaN]);

        // Numbers of which the sum is beyond all numbers.
        await RecordAsync("b", [.. Enumerable.Range(1, 40).Select(step => Metric(0, 1, step) with { Loss = step == 7 ? -9e299 : 9e299 })]);
        var all = (await _reader.MetricRangeAsync("b", 0, 0, 1, None)).Buckets.ShouldHaveSingleItem().Loss;
        (all.Count, all.Minimum, all.Maximum).ShouldBe((40, -9e299, 9e299));
        all.Mean.ShouldBe(38 * 9e299 / 40, 1e290);
    }

    [SkippableFact]
    public async Task A_row_that_comes_twice_counts_once_whatever_it_says_then()
    {
        await RecordAsync("a", [.. Enumerable.Range(1, 300).Select(step => Metric(0, 1, step) with { Loss = 1 })]);
        await RecordAsync("a", [.. Enumerable.Range(200, 300).SelectMany(step => (MetricRow[])[Metric(0, 1, step) with { Loss = 2 }, Metric(0, 1, step) with { Loss = 3 }])]);
        var all = (await _reader.MetricRangeAsync("a", 0, 0, 1, None)).Buckets.ShouldHaveSingleItem();
        (all.FirstStep, all.LastStep, all.Steps).ShouldBe((1, 499, 499));
        all.Loss.ShouldBe(new SeriesSummary(499, 1, 300 + (2 * 199), 2));
    }

    [SkippableFact]
    public async Task A_range_that_there_is_not_is_empty_and_tells_which_there_is()
    {
        await RecordAsync("a", [Metric(0, 1, 5), Metric(0, 1, 9)]);
        var range = await _reader.MetricRangeAsync("a", 10, 0, 100, None);
        (range.Oldest, range.Newest, range.Buckets.Count).ShouldBe((5, 9, 0));
        (await _reader.MetricRangeAsync("a", 0, 4, 100, None)).Buckets.ShouldBeEmpty();
        (await _reader.MetricRangeAsync("a", long.MaxValue, long.MaxValue, 100, None)).Buckets.ShouldBeEmpty();
        (await _reader.MetricRangeAsync("a", 9, long.MaxValue, 4000, None)).Buckets.ShouldHaveSingleItem().FirstStep.ShouldBe(9);
    }

    [SkippableFact]
    public async Task Thinned_and_deleted_metrics_are_gone_from_the_ranges()
    {
        var random = new Random(1);
        var rows = await RecordHistoryAsync("old", random);
        await RecordHistoryAsync("kept", new Random(2));
        var kept = await _reader.MetricRangeAsync("kept", 0, 0, 50, None);
        await EndAsync("old");
        var retention = new DatabaseRetention(_database);

        (await retention.ApplyAsync(new RetentionOptions { MetricPointsPerJob = 40, BatchRows = 70 }, Some.Noon.AddDays(31), None)).Metrics.ShouldBeGreaterThan(100);

        var left = await _telemetry.MetricsAfterAsync("old", 0, 100_000, None);
        left.Count.ShouldBeLessThan(rows.Count);
        await CheckAsync("old", [.. left], random, "thinned");
        await retention.DeleteJobAsync("old", None);
        (await _reader.MetricRangeAsync("old", 0, 0, 100, None)).ShouldBe(MetricRange.Empty);
        (await _telemetry.MetricsAfterAsync("old", 0, 100, None)).ShouldBeEmpty();
        (await _reader.MetricRangeAsync("kept", 0, 0, 50, None)).Buckets.ShouldBe(kept.Buckets);

        // Recorded anew after that, nothing of before is in it.
        await RecordAsync("old", [Metric(0, 1, 3)]);
        (await _reader.MetricRangeAsync("old", 0, 0, 1, None)).Buckets.ShouldHaveSingleItem().Steps.ShouldBe(1);
    }

    [SkippableFact]
    public async Task A_database_of_before_is_filled_from_its_rows()
    {
        var random = new Random(3);
        var rows = await RecordHistoryAsync("a", random);
        await new DatabaseJobStore(_database).RecordSubmissionAsync("key", "sha", Some.Submission("a"), None);
        await new DatabaseHistoryStore(_database).AppendAsync(
            "a", [new JobHistoryEntry(1, Some.Noon, "person:ada", "submitted", "", JobPhase.Queued, 0, 0, 0), new JobHistoryEntry(2, Some.Noon, "coordinator", "failed", "why", JobPhase.Failed, 0, 1, 5)], None);
        await _database.DisposeAsync();
        // The last three steps of the schema, undone.
        await _home.SqlAsync(
            """
            ALTER TABLE metrics DROP COLUMN measures;
            DROP TABLE deletions;
            DROP INDEX jobs_by_name_newest; DROP INDEX jobs_by_submitter_newest; DROP INDEX jobs_by_phase_newest; DROP INDEX jobs_by_priority_newest;
            ALTER TABLE jobs DROP COLUMN priority;
            CREATE INDEX jobs_by_name ON jobs (name, ordinal);
            DROP TABLE metric_rollups; DROP TABLE rank_samples; DROP TABLE events; DROP INDEX jobs_by_phase;
            DELETE FROM schema_version WHERE version > (SELECT max(version) FROM schema_version) - 3;
            """);

        await OpenAsync();

        await CheckAsync("a", rows, random, "filled");
        var events = (await new DatabaseEventStore(_database).ReadAsync(new EventQuery(0, 0, false, 10, []), None)).Events;
        events.Select(one => (one.Name, one.What, one.Severity)).ShouldBe([("small", "submitted", EventSeverity.Info), ("small", "failed", EventSeverity.Error)]);
    }

    private async Task OpenAsync()
    {
        _database = await _home.OpenAsync();
        _telemetry = new DatabaseTelemetryStore(_database);
        _reader = new DatabaseTelemetryReader(_database);
    }

    /// <summary>Records steps of several generations, out of order and some of them twice; returns those that count, in order.</summary>
    private async Task<List<MetricRow>> RecordHistoryAsync(string job, Random random)
    {
        var recorded = new List<MetricRow>();
        for (var generation = 1; generation <= random.Next(1, 5); generation++)
        {
            var first = random.Next(1, 1500);
            recorded.AddRange(Enumerable.Range(first, random.Next(1, 1500)).Where(_ => random.Next(10) > 0).Select(step => Any(random, generation / 3, generation, step)));
        }
        var sent = recorded.OrderBy(row => row.Step + random.Next(50)).ToList();
        foreach (var part in sent.Chunk(random.Next(1, 300)))
            await RecordAsync(job, [.. part, .. part.Take(random.Next(5))]);
        return
        [
            .. recorded.GroupBy(row => row.Generation)
                .SelectMany(group => group.Where(row => !recorded.Exists(newer => newer.Generation > row.Generation && newer.Step <= row.Step)))
                .OrderBy(row => row.Step),
        ];
    }

    private async Task CheckAsync(string job, List<MetricRow> rows, Random random, string customMessage)
    {
        var (oldest, newest) = (rows[0].Step, rows[^1].Step);
        foreach (var points in (int[])[1, 7, random.Next(1, 300), 4000])
        {
            var from = random.Next(2) == 0 ? 0 : random.NextInt64(oldest, newest + 1);
            var to = random.Next(2) == 0 ? 0 : random.NextInt64(Math.Max(from, oldest), newest + 1);
            var range = await _reader.MetricRangeAsync(job, from, to, points, None);
            (range.Oldest, range.Newest).ShouldBe((oldest, newest), customMessage);
            (from, to) = (Math.Max(from, oldest), to == 0 ? newest : to);
            range.Buckets.Count.ShouldBeLessThanOrEqualTo(points);
            var origin = Sizes.Select(size => from - (from % size)).First(origin => IsGrid(range, origin));
            var expected = rows.Where(row => row.Step >= from && row.Step <= to).GroupBy(row => (row.Step - origin) / range.StepsPerBucket).ToList();
            range.Buckets.Count.ShouldBe(expected.Count, customMessage);
            foreach (var (bucket, group) in range.Buckets.Zip(expected))
                Same(bucket, [.. group], customMessage);
        }
    }

    private static bool IsGrid(MetricRange range, long origin) =>
        range.Buckets.All(bucket => (bucket.FirstStep - origin) / range.StepsPerBucket == (bucket.LastStep - origin) / range.StepsPerBucket)
        && range.Buckets.DistinctBy(bucket => (bucket.FirstStep - origin) / range.StepsPerBucket).Count() == range.Buckets.Count;

    private static void Same(MetricBucket bucket, MetricRow[] rows, string customMessage)
    {
        (bucket.FirstStep, bucket.LastStep, bucket.Steps, bucket.At).ShouldBe((rows[0].Step, rows[^1].Step, rows.Length, rows.Max(row => row.At)), customMessage);
        Same(bucket.Loss, rows.Select(row => row.Loss), customMessage);
        Same(bucket.LearningRate, rows.Select(row => row.LearningRate), customMessage);
        Same(bucket.TokensPerSecond, rows.Select(row => row.TokensPerSecond), customMessage);
        Same(bucket.GradientNorm, rows.Where(row => row.GradientNorm is not null).Select(row => row.GradientNorm!.Value), customMessage);
        Same(bucket.HeldOutLoss, rows.Where(row => row.HeldOutLoss is not null).Select(row => row.HeldOutLoss!.Value), customMessage);
        Same(bucket.WorldSize, rows.Select(row => (double)row.WorldSize), customMessage);
    }

    private static void Same(SeriesSummary series, IEnumerable<double> numbers, string customMessage)
    {
        var finite = numbers.Where(number => double.IsFinite(number) && Math.Abs(number) <= 1e300).ToList();
        series.Count.ShouldBe(finite.Count, customMessage);
        if (finite.Count == 0)
        {
            (double.IsNaN(series.Minimum), double.IsNaN(series.Mean), double.IsNaN(series.Maximum)).ShouldBe((true, true, true), customMessage);
            return;
        }
        (series.Minimum, series.Maximum).ShouldBe((finite.Min(), finite.Max()), customMessage);
        series.Mean.ShouldBe(finite.Average(), Math.Abs(finite.Average() * 1e-9) + 1e-12, customMessage);
    }

    private async Task RecordAsync(string job, MetricRow[] rows) => await _telemetry.RecordAsync([new TelemetryBatch(job, "w1", rows, [], [], [])], None);

    private async Task EndAsync(string job)
    {
        var view = new JobView { JobId = job, Name = job, Phase = JobPhase.Succeeded, JobJson = "{}", Submitter = "person:ada", SubmittedAt = Some.Noon, Revision = 1 };
        await new DatabaseJobStore(_database).SaveAsync(view, None);
        await new DatabaseHistoryStore(_database).AppendAsync(job, [new JobHistoryEntry(1, Some.Noon, "coordinator", "x", "", view.Phase, 0, 1, 1)], None);
    }

    private static MetricRow Any(Random random, int lineage, int generation, long step) => new(
        lineage, generation, step, Some.Noon.AddSeconds(step), random.Next(1, 9), Number(random), random.NextDouble(), 1e6 * random.NextDouble(),
        random.Next(3) == 0 ? null : Number(random), random.Next(20) == 0 ? Number(random) : null);

    private static double Number(Random random) => random.Next(40) switch
    {
        0 => double.NaN,
        1 => double.PositiveInfinity,
        2 => double.NegativeInfinity,
        3 => 1e301,
        _ => (random.NextDouble() * 20) - 5,
    };

    private static MetricRow Metric(int lineage, int generation, long step) => new(lineage, generation, step, Some.Noon, 2, 3.5, 0.1, 1000, 0.5, null);
}
