using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;

namespace Linformer.Coordinator.Tests.Storage;

public sealed class SqliteRetentionTests() : RetentionTests(null);

[Collection(PostgresFixture.Collection)]
public sealed class PostgresRetentionTests(PostgresFixture postgres) : RetentionTests(postgres);

/// <summary>What stays of telemetry and what goes, on every kind of database.</summary>
public abstract class RetentionTests(PostgresFixture? postgres) : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly DateTimeOffset Noon = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);

    // Batches that do not fit what there is to delete.
    private static readonly RetentionOptions Options = new() { KeepLogs = TimeSpan.FromDays(30), LogLinesPerJob = 40, RankSamplesPerJob = 40, MetricPointsPerJob = 20, KeepEvents = TimeSpan.Zero, BatchRows = 7 };

    private ITestDatabase _home = null!;
    private CoordinatorDatabase _database = null!;
    private DatabaseTelemetryStore _telemetry = null!;
    private DatabaseRetention _retention = null!;

    public async Task InitializeAsync()
    {
        _home = await TestDatabases.CreateAsync(postgres);
        _database = await _home.OpenAsync();
        _telemetry = new DatabaseTelemetryStore(_database);
        _retention = new DatabaseRetention(_database);
    }

    public async Task DisposeAsync()
    {
        await _database.DisposeAsync();
        await _home.DisposeAsync();
    }

    [SkippableFact]
    public async Task A_job_that_runs_keeps_its_newest_lines_and_all_its_metrics()
    {
        await JobAsync("a", ended: null);
        await JobAsync("b", ended: null);
        await RecordAsync("a", lines: 100, steps: 500);
        await RecordAsync("b", lines: 40, steps: 10);
        var sequences = (await LinesAsync("a")).Select(line => line.Sequence).ToList();

        (await _retention.ApplyAsync(Options, Noon.AddYears(1), None)).ShouldBe(new RetentionResult(60, 0));

        // Whoever follows the log goes on from the sequence number that he has.
        (await LinesAsync("a")).Select(line => (line.Sequence, line.Text)).ShouldBe(sequences.Skip(60).Zip(Enumerable.Range(61, 40).Select(n => $"line {n}")));
        (await LinesAsync("b")).Count.ShouldBe(40);
        (await _telemetry.MetricsAfterAsync("a", 0, 1000, None)).Count.ShouldBe(500);
        (await _retention.ApplyAsync(Options, Noon.AddYears(1), None)).ShouldBe(new RetentionResult(0, 0));
        await RecordAsync("a", lines: 101, steps: 501);
        (await _retention.ApplyAsync(Options, Noon.AddYears(1), None)).LogLines.ShouldBeGreaterThanOrEqualTo(1);
        (await LinesAsync("a"))[^1].Text.ShouldBe("line 101");
    }

    [SkippableFact]
    public async Task A_job_that_ended_long_ago_loses_its_lines_and_keeps_metrics_spread_over_it()
    {
        await JobAsync("old", ended: Noon);
        await JobAsync("new", ended: Noon.AddDays(2));
        await RecordAsync("old", lines: 30, steps: 500, evaluateEvery: 10);
        await RecordAsync("new", lines: 30, steps: 500);
        var before = await _telemetry.ProgressAsync("old", None);

        // 500 steps, of which 50 were evaluated.
        var deleted = await _retention.ApplyAsync(Options, Noon.AddDays(31), None);

        deleted.LogLines.ShouldBe(30);
        (await LinesAsync("old")).ShouldBeEmpty();
        (await LinesAsync("new")).Count.ShouldBe(30);
        (await _telemetry.MetricsAfterAsync("new", 0, 1000, None)).Count.ShouldBe(500);
        var points = await _telemetry.MetricsAfterAsync("old", 0, 1000, None);
        points.Count.ShouldBe(500 - (int)deleted.Metrics);
        points.Count(point => point.HeldOutLoss is null).ShouldBeInRange(10, 22);
        points.Count(point => point.HeldOutLoss is not null).ShouldBeInRange(10, 22);
        (points[0].Step, points[^1].Step).ShouldBe((1, 500));
        points.Zip(points.Skip(1)).Max(pair => pair.Second.Step - pair.First.Step).ShouldBeLessThanOrEqualTo(30);
        (await _telemetry.ProgressAsync("old", None)).ShouldBe(before);

        (await _retention.ApplyAsync(Options, Noon.AddDays(31), None)).ShouldBe(new RetentionResult(0, 0));
        // A coordinator that has just started knows nothing of it and finds nothing more to do.
        (await new DatabaseRetention(_database).ApplyAsync(Options, Noon.AddDays(31), None)).ShouldBe(new RetentionResult(0, 0));
        (await _retention.ApplyAsync(Options, Noon.AddDays(33), None)).LogLines.ShouldBe(30);
    }

    [SkippableFact]
    public async Task Every_generation_keeps_its_first_and_last_step()
    {
        await JobAsync("a", ended: Noon);
        for (var generation = 1; generation <= 4; generation++)
        {
            await _telemetry.BeginGenerationAsync("a", 0, generation, 1, None);
            await _telemetry.RecordAsync([Batch("a", [], [.. Enumerable.Range(((generation - 1) * 50) + 1, 50).Select(step => Metric(generation, step, null))])], None);
        }

        await _retention.ApplyAsync(Options with { MetricPointsPerJob = 1 }, Noon.AddDays(31), None);

        var steps = (await _telemetry.MetricsAfterAsync("a", 0, 1000, None)).Select(point => point.Step).ToList();
        steps.ShouldBeSubsetOf(Enumerable.Range(1, 200).Select(step => (long)step));
        foreach (var generation in Enumerable.Range(0, 4))
        {
            steps.ShouldContain((generation * 50) + 1);
            steps.ShouldContain((generation * 50) + 50);
        }

        steps.Count.ShouldBeLessThanOrEqualTo(12);
    }

    [SkippableFact]
    public async Task Samples_stay_as_log_lines_do()
    {
        await JobAsync("runs", ended: null);
        await JobAsync("old", ended: Noon);
        foreach (var id in (string[])["runs", "old"])
        {
            await RecordAsync(id, lines: 1, steps: 60);
            await _telemetry.RecordAsync([new TelemetryBatch(id, "w", [], [], [], [], [.. Enumerable.Range(1, 60).Select(step => new RankSampleRow(0, 0, 1, 0, step, 1, "w", Noon, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0))])], None);
        }

        (await _retention.ApplyAsync(Options, Noon.AddDays(31), None)).Samples.ShouldBe(20 + 60);

        var reader = new DatabaseTelemetryReader(_database);
        (await reader.RankSamplesAfterAsync("runs", 0, 100, None)).Select(sample => sample.Step).ShouldBe(Enumerable.Range(21, 40).Select(step => (long)step));
        (await reader.RankSamplesAfterAsync("old", 0, 100, None)).ShouldBeEmpty();
    }

    [SkippableFact]
    public async Task A_job_s_telemetry_is_deleted_whole_and_no_other_s()
    {
        foreach (var id in (string[])["a", "b"])
        {
            await JobAsync(id, ended: Noon);
            await RecordAsync(id, lines: 1200, steps: 1300, evaluateEvery: 10);
            var sample = new RankSampleRow(0, 0, 1, 0, 5, 1, "w", Noon, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
            await _telemetry.RecordAsync([new TelemetryBatch(id, "w", [], [], [new CheckpointRow("c", 0, 1, 100, Noon, 1, true)], [], [sample])], None);
        }
        var reader = new DatabaseTelemetryReader(_database);
        var kept = await reader.MetricRangeAsync("b", 0, 0, 10, None);

        await _retention.DeleteJobAsync("a", None);
        await _retention.DeleteJobAsync("nothing", None);

        (await LinesAsync("a")).ShouldBeEmpty();
        (await _telemetry.MetricsAfterAsync("a", 0, 10, None)).ShouldBeEmpty();
        (await _telemetry.CheckpointsAsync("a", None)).ShouldBeEmpty();
        (await _telemetry.ProgressAsync("a", None)).ShouldBe(new JobProgress(0, 0, 0, null, null));
        (await reader.RankSamplesAfterAsync("a", 0, 10, None)).ShouldBeEmpty();
        (await reader.GenerationsAsync("a", 10, None)).ShouldBeEmpty();
        (await new DatabaseHistoryStore(_database).ReadAfterAsync("a", 0, 10, None)).ShouldHaveSingleItem();
        (await LinesAsync("b")).Count.ShouldBe(1200);
        (await reader.MetricRangeAsync("b", 0, 0, 10, None)).Buckets.ShouldBe(kept.Buckets);
        (await _telemetry.CheckpointsAsync("b", None)).ShouldHaveSingleItem();
        (await reader.RankSamplesAfterAsync("b", 0, 10, None)).ShouldHaveSingleItem();
    }

    [SkippableFact]
    public async Task Zero_keeps_everything()
    {
        await JobAsync("a", ended: Noon);
        await RecordAsync("a", lines: 100, steps: 100);
        var options = Options with { KeepLogs = TimeSpan.Zero, LogLinesPerJob = 0, RankSamplesPerJob = 0 };
        (await _retention.ApplyAsync(options, Noon.AddYears(10), None)).ShouldBe(new RetentionResult(0, 0));
        (await LinesAsync("a")).Count.ShouldBe(100);
    }

    [SkippableFact]
    public async Task Many_jobs_are_looked_through_once_they_have_ended()
    {
        for (var i = 0; i < 450; i++)
            await JobAsync($"j{i}", ended: i == 3 ? null : Noon);
        await RecordAsync("j3", lines: 5, steps: 1);
        await RecordAsync("j449", lines: 5, steps: 1);
        (await _retention.ApplyAsync(Options, Noon.AddDays(31), None)).LogLines.ShouldBe(5);
        (await LinesAsync("j3")).Count.ShouldBe(5);

        // The one that held the others up ends; a later one, too.
        await JobAsync("j3", ended: Noon.AddDays(31), revision: 2);
        await JobAsync("late", ended: Noon.AddDays(32));
        await RecordAsync("late", lines: 5, steps: 1);
        (await _retention.ApplyAsync(Options, Noon.AddDays(62), None)).LogLines.ShouldBe(5);
        (await LinesAsync("j3")).ShouldBeEmpty();
        (await LinesAsync("late")).Count.ShouldBe(5);
        (await _retention.ApplyAsync(Options, Noon.AddDays(63), None)).LogLines.ShouldBe(5);
    }

    [SkippableFact]
    public async Task A_job_that_goes_back_long_after_its_end_has_its_limits_again()
    {
        await JobAsync("a", ended: Noon);
        await JobAsync("b", ended: Noon);
        await RecordAsync("a", lines: 10, steps: 1);
        (await _retention.ApplyAsync(Options, Noon.AddDays(31), None)).LogLines.ShouldBe(10);

        await JobAsync("a", ended: null, revision: 2);
        await RecordAsync("a", lines: 100, steps: 1);
        (await _retention.ApplyAsync(Options, Noon.AddDays(32), None)).LogLines.ShouldBe(60);

        // It ends once more, and is too old once more.
        await JobAsync("a", ended: Noon.AddDays(33), revision: 3);
        (await _retention.ApplyAsync(Options, Noon.AddDays(34), None)).LogLines.ShouldBe(0);
        (await _retention.ApplyAsync(Options, Noon.AddDays(64), None)).LogLines.ShouldBe(40);
    }

    [SkippableFact]
    public async Task A_coordinator_that_was_replaced_deletes_nothing()
    {
        await JobAsync("a", ended: Noon);
        await RecordAsync("a", lines: 10, steps: 10);
        await using var other = await _home.SeizeAsync();
        await Should.ThrowAsync<FencedException>(() => _retention.ApplyAsync(Options, Noon.AddDays(31), None));
        (await new DatabaseTelemetryStore(other).LogsAfterAsync("a", null, 0, 100, None)).Count.ShouldBe(10);
    }

    private async Task JobAsync(string id, DateTimeOffset? ended, long revision = 1)
    {
        var view = new JobView
        {
            JobId = id,
            Name = id,
            Phase = ended is null ? JobPhase.Running : JobPhase.Succeeded,
            JobJson = "{}",
            Submitter = "person:ada",
            SubmittedAt = Noon.AddDays(-400),
            Revision = revision,
        };
        await new DatabaseJobStore(_database).SaveAsync(view, None);
        await new DatabaseHistoryStore(_database).AppendAsync(
            id, [new JobHistoryEntry(revision, ended ?? Noon.AddDays(-400), "coordinator", "x", "", view.Phase, 0, 1, 1)], None);
    }

    private async Task RecordAsync(string id, int lines, int steps, int evaluateEvery = int.MaxValue)
    {
        await _telemetry.BeginGenerationAsync(id, 0, 1, 1, None);
        var logs = Enumerable.Range(1, lines).Select(n => new LogRow(0, 1, 1, 0, n, Noon, "w", $"line {n}"));
        var metrics = Enumerable.Range(1, steps).Select(step => Metric(1, step, step % evaluateEvery == 0 ? 2.5 : null));
        await _telemetry.RecordAsync([Batch(id, [.. logs], [.. metrics])], None);
    }

    private Task<IReadOnlyList<LogRow>> LinesAsync(string id) => _telemetry.LogsAfterAsync(id, null, 0, 10_000, None);

    private static TelemetryBatch Batch(string id, LogRow[] logs, MetricRow[] metrics) => new(id, "w", metrics, logs, [], []);

    private static MetricRow Metric(int generation, long step, double? heldOut) => new(0, generation, step, Noon, 1, 3.5, 1e-3, 1000, null, heldOut);
}
