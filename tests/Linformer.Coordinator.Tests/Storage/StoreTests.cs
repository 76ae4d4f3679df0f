using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;

namespace Linformer.Coordinator.Tests.Storage;

public sealed class SqliteStoreTests() : StoreTests(null);

[Collection(PostgresFixture.Collection)]
public sealed class PostgresStoreTests(PostgresFixture postgres) : StoreTests(postgres);

/// <summary>What the stores promise, on every kind of database.</summary>
public abstract class StoreTests(PostgresFixture? postgres) : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly DateTimeOffset Noon = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);

    private ITestDatabase _home = null!;
    private CoordinatorDatabase _database = null!;
    private DatabaseJobStore _jobs = null!;
    private DatabaseHistoryStore _history = null!;
    private DatabaseTelemetryStore _telemetry = null!;
    private DatabaseRosterStore _roster = null!;

    public async Task InitializeAsync()
    {
        _home = await TestDatabases.CreateAsync(postgres);
        _database = await _home.OpenAsync();
        _jobs = new DatabaseJobStore(_database);
        _history = new DatabaseHistoryStore(_database);
        _telemetry = new DatabaseTelemetryStore(_database);
        _roster = new DatabaseRosterStore(_database);
    }

    public async Task DisposeAsync()
    {
        await _database.DisposeAsync();
        await _home.DisposeAsync();
    }

    [SkippableFact]
    public async Task A_key_gives_its_submission_again_and_refuses_another_file()
    {
        var first = await _jobs.RecordSubmissionAsync("key", "sha1", Submission("a-aaaaa"), None);
        first.Existed.ShouldBeFalse();
        var again = await _jobs.RecordSubmissionAsync("key", "sha1", Submission("a-bbbbb"), None);
        again.Existed.ShouldBeTrue();
        again.Submission.ShouldBe(Submission("a-aaaaa"));
        await Should.ThrowAsync<IdempotencyConflictException>(() => _jobs.RecordSubmissionAsync("key", "sha2", Submission("a-ccccc"), None));
        await Should.ThrowAsync<JobIdTakenException>(() => _jobs.RecordSubmissionAsync("other", "sha1", Submission("a-aaaaa"), None));
        (await _jobs.UnfinishedAsync(None)).ShouldHaveSingleItem();
    }

    [SkippableFact]
    public async Task A_row_follows_its_grain_and_never_goes_back()
    {
        await _jobs.RecordSubmissionAsync("key", "sha", Submission("a-aaaaa"), None);
        var running = View("a-aaaaa", JobPhase.Running, revision: 5) with
        {
            Placements = [new Placement(1, "w1", 1, Some.Noon)],
            LastFailure = new FailedRank(1, 0, "w1", 137, "SIGKILL", "was ended", ["last"], false, false),
        };
        await _jobs.SaveAsync(running, None);
        await _jobs.SaveAsync(View("a-aaaaa", JobPhase.Queued, revision: 4), None);

        var row = (await _jobs.FindAsync("a-aaaaa", None))!;
        row.View.Phase.ShouldBe(JobPhase.Running);
        row.View.Placements.ShouldBe(running.Placements);
        row.View.LastFailure!.LastLogLines.ShouldBe(["last"]);
        row.View.JobJson.ShouldBe(running.JobJson);

        await _jobs.SaveAsync(View("a-aaaaa", JobPhase.Succeeded, revision: 6), None);
        (await _jobs.UnfinishedAsync(None)).ShouldBeEmpty();
        (await _jobs.FindAsync("nothing", None)).ShouldBeNull();
    }

    [SkippableFact]
    public async Task A_name_means_its_newest_job_and_an_id_comes_first()
    {
        await _jobs.SaveAsync(View("b-aaaaa", JobPhase.Queued, 1), None);
        await _jobs.SaveAsync(View("b-bbbbb", JobPhase.Queued, 1), None);
        await _jobs.SaveAsync(View("x-aaaaa", JobPhase.Queued, 1) with { Name = "b-aaaaa" }, None);
        (await _jobs.FindAsync("b", None))!.View.JobId.ShouldBe("b-bbbbb");
        (await _jobs.FindAsync("b-aaaaa", None))!.View.JobId.ShouldBe("b-aaaaa");
    }

    [SkippableFact]
    public async Task Lists_are_filtered_and_paged_newest_first()
    {
        for (var i = 0; i < 10; i++)
            await _jobs.SaveAsync(View($"{(i % 2 == 0 ? "even" : "odd")}-{i:d5}", i < 5 ? JobPhase.Failed : JobPhase.Queued, 1), None);

        (await ListAsync(new JobFilter([], "", 100, null))).ShouldBe(["odd-00009", "even-00008", "odd-00007", "even-00006", "odd-00005", "even-00004", "odd-00003", "even-00002", "odd-00001", "even-00000"]);
        (await ListAsync(new JobFilter([JobPhase.Failed], "odd", 100, null))).ShouldBe(["odd-00003", "odd-00001"]);
        (await ListAsync(new JobFilter([JobPhase.Failed, JobPhase.Queued], "ve", 2, null))).ShouldBe(["even-00008", "even-00006"]);
        var page = await _jobs.ListAsync(new JobFilter([], "even", 2, null), None);
        (await ListAsync(new JobFilter([], "even", 2, new JobPlace(page[^1].Ordinal)))).ShouldBe(["even-00004", "even-00002"]);
        // No pattern of SQL.
        (await ListAsync(new JobFilter([], "%", 100, null))).ShouldBeEmpty();
    }

    [SkippableFact]
    public async Task History_is_appended_once()
    {
        await _history.AppendAsync("a", [Entry(1, "submitted"), Entry(2, "placed")], None);
        await _history.AppendAsync("a", [Entry(2, "again"), Entry(3, "running")], None);
        await _history.AppendAsync("b", [Entry(1, "other")], None);
        (await _history.ReadAfterAsync("a", 0, 10, None)).ShouldBe([Entry(1, "submitted"), Entry(2, "placed"), Entry(3, "running")]);
        (await _history.ReadAfterAsync("a", 1, 1, None)).ShouldBe([Entry(2, "placed")]);
    }

    [SkippableFact]
    public async Task Only_the_current_generation_commits_and_never_goes_back()
    {
        await _telemetry.BeginGenerationAsync("a", 0, 1, 2, None);
        await RecordAsync(Metric(0, 1, 10), Metric(0, 1, 9));
        (await CommittedAsync()).ShouldBe(10);
        await _telemetry.BeginGenerationAsync("a", 0, 2, 2, None);
        // Ranks that were cut off go on computing; they commit nothing.
        await RecordAsync(Metric(0, 1, 15));
        (await CommittedAsync()).ShouldBe(10);
        await RecordAsync(Metric(0, 2, 8));
        (await CommittedAsync()).ShouldBe(10);
        await RecordAsync(Metric(0, 2, 11));
        (await CommittedAsync()).ShouldBe(11);
        // Told again, as after a restart.
        await _telemetry.BeginGenerationAsync("a", 0, 1, 2, None);
        (await _telemetry.ProgressAsync("a", None)).Generation.ShouldBe(2);
        // A lineage goes back on purpose.
        await _telemetry.BeginGenerationAsync("a", 1, 3, 2, None);
        (await CommittedAsync()).ShouldBe(0);
        await RecordAsync(Metric(0, 2, 99), Metric(1, 3, 5));
        (await CommittedAsync()).ShouldBe(5);
    }

    [SkippableFact]
    public async Task A_checkpoint_commits_its_step_though_the_metrics_were_lost()
    {
        await _telemetry.BeginGenerationAsync("a", 0, 1, 2, None);
        var checkpoint = new CheckpointRow("l0000-g0001-s00000100", 0, 1, 100, Noon, 5000, Kept: true);
        await _telemetry.RecordAsync([new TelemetryBatch("a", "w1", [], [], [checkpoint], [])], None);
        (await CommittedAsync()).ShouldBe(100);
        (await _telemetry.CheckpointsAsync("a", None)).ShouldBe([checkpoint]);

        var next = new CheckpointRow("l0000-g0001-s00000200", 0, 1, 200, Noon, 5000, Kept: true);
        await _telemetry.RecordAsync([new TelemetryBatch("a", "w1", [], [], [next], [checkpoint.Name])], None);
        // The first comes again, late: it stays deleted.
        await _telemetry.RecordAsync([new TelemetryBatch("a", "w1", [], [], [checkpoint], [])], None);
        (await _telemetry.CheckpointsAsync("a", None)).ShouldBe([next, checkpoint with { Kept = false }]);
    }

    [SkippableFact]
    public async Task A_deletion_that_comes_before_its_checkpoint_stays()
    {
        var late = new CheckpointRow("l0001-g0002-s00000100", 1, 2, 100, Noon, 5000, Kept: true);
        await _telemetry.RecordAsync([new TelemetryBatch("a", "w2", [], [], [], [late.Name, "no-such-name"])], None);
        var deleted = (await _telemetry.CheckpointsAsync("a", None)).ShouldHaveSingleItem();
        (deleted.Lineage, deleted.Generation, deleted.Step, deleted.Kept).ShouldBe((1, 2, 100, false));

        await _telemetry.RecordAsync([new TelemetryBatch("a", "w1", [], [], [late], [])], None);
        (await _telemetry.CheckpointsAsync("a", None)).ShouldBe([late with { Kept = false }]);
    }

    [SkippableFact]
    public async Task Metrics_are_those_of_the_newest_generation_and_keep_what_is_no_number()
    {
        await _telemetry.BeginGenerationAsync("a", 0, 2, 2, None);
        var last = Metric(0, 2, 3) with { Loss = double.NaN, GradientNorm = double.PositiveInfinity, HeldOutLoss = double.NaN };
        await RecordAsync(Metric(0, 1, 1), Metric(0, 1, 2), Metric(0, 1, 3), Metric(0, 2, 2), last);
        await RecordAsync(Metric(0, 2, 2) with { Loss = 77 });

        (await _telemetry.MetricsAfterAsync("a", 0, 10, None)).ShouldBe([Metric(0, 1, 1), Metric(0, 2, 2), last]);
        (await _telemetry.MetricsAfterAsync("a", 1, 1, None)).ShouldBe([Metric(0, 2, 2)]);
        var progress = await _telemetry.ProgressAsync("a", None);
        progress.LastMetric.ShouldBe(last);
        progress.HeldOutLoss.ShouldBe(double.NaN);
        (await _telemetry.ProgressAsync("nothing", None)).ShouldBe(new JobProgress(0, 0, 0, null, null));
    }

    [SkippableFact]
    public async Task A_generation_that_computes_committed_steps_again_is_known_with_its_beginning()
    {
        await _telemetry.BeginGenerationAsync("a", 0, 1, 2, None);
        await RecordAsync(Metric(0, 1, 1), Metric(0, 1, 2), Metric(0, 1, 3), Metric(0, 1, 4));
        (await _telemetry.ProgressAsync("a", None)).AgainFrom.ShouldBeNull();
        await _telemetry.BeginGenerationAsync("a", 0, 2, 2, None);
        (await _telemetry.ProgressAsync("a", None)).AgainFrom.ShouldBeNull();

        await RecordAsync(Metric(0, 2, 2), Metric(0, 2, 3));
        var again = await _telemetry.ProgressAsync("a", None);
        (again.AgainFrom, again.CommittedStep, again.LastMetric!.Step).ShouldBe((1, 4, 3));

        await RecordAsync(Metric(0, 2, 4));
        (await _telemetry.ProgressAsync("a", None)).AgainFrom.ShouldBeNull();
    }

    [SkippableFact]
    public async Task A_newer_generation_replaces_what_came_from_its_first_step_on()
    {
        // The second began at 4 and lost the metrics of 5; the third went back to 3 in a new lineage; the fourth recorded nothing yet.
        await RecordAsync([.. Enumerable.Range(1, 8).Select(step => Metric(0, 1, step))]);
        await _telemetry.BeginGenerationAsync("a", 0, 2, 1, None);
        await RecordAsync(Metric(0, 2, 4), Metric(0, 2, 6), Metric(0, 2, 7));
        (await PointsAsync()).ShouldBe([(0, 1, 1), (0, 1, 2), (0, 1, 3), (0, 2, 4), (0, 2, 6), (0, 2, 7)]);
        await RecordAsync(Metric(1, 3, 4), Metric(1, 3, 3));
        await _telemetry.BeginGenerationAsync("a", 1, 4, 1, None);
        (await PointsAsync()).ShouldBe([(0, 1, 1), (0, 1, 2), (1, 3, 3), (1, 3, 4)]);
        // A step of the first that was confirmed only after the second had begun.
        await RecordAsync(Metric(1, 4, 5), Metric(1, 3, 5));
        (await PointsAsync()).ShouldBe([(0, 1, 1), (0, 1, 2), (1, 3, 3), (1, 3, 4), (1, 4, 5)]);
        (await _telemetry.MetricsAfterAsync("a", 2, 2, None)).ShouldBe([Metric(1, 3, 3), Metric(1, 3, 4)]);
        (await _telemetry.MetricsAfterAsync("a", 4, 2, None)).ShouldBe([Metric(1, 4, 5)]);
        (await _telemetry.MetricsAfterAsync("a", 5, 2, None)).ShouldBeEmpty();
    }

    [SkippableFact]
    public async Task In_any_history_of_generations_a_step_has_the_newest_point_that_counts()
    {
        for (var seed = 0; seed < 60; seed++)
        {
            var random = new Random(seed);
            var recorded = Enumerable.Range(1, random.Next(1, 10))
                .SelectMany(generation =>
                {
                    var first = random.Next(1, 20);
                    return Enumerable.Range(first, 20).Where(_ => random.Next(4) > 0).Select(step => Metric(generation / 4, generation, step)).ToList();
                })
                .ToArray();
            await _telemetry.RecordAsync([new TelemetryBatch($"seed-{seed}", "w1", [.. recorded.OrderBy(_ => random.Next())], [], [], [])], None);

            // The rule as it is said: no newer generation has recorded that step or an earlier one.
            var expected = recorded
                .Where(point => !Array.Exists(recorded, newer => newer.Generation > point.Generation && newer.Step <= point.Step))
                .OrderBy(point => point.Step)
                .ToList();
            (await _telemetry.MetricsAfterAsync($"seed-{seed}", 0, 1000, None)).ShouldBe(expected, customMessage: $"seed {seed}");
            (await _telemetry.MetricsAfterAsync($"seed-{seed}", 12, 3, None)).ShouldBe(expected.Where(point => point.Step > 12).Take(3), customMessage: $"seed {seed}");
        }
    }

    [SkippableFact]
    public async Task Only_steps_that_were_not_recorded_before_are_told_as_new()
    {
        await _telemetry.BeginGenerationAsync("a", 0, 1, 2, None);
        (await _telemetry.RecordAsync([new TelemetryBatch("a", "w1", [Metric(0, 1, 1), Metric(0, 1, 2)], [], [], [])], None)).Select(metric => metric.Step).ShouldBe([1, 2]);
        (await _telemetry.RecordAsync([new TelemetryBatch("a", "w1", [Metric(0, 1, 2), Metric(0, 1, 3)], [], [], [])], None)).Select(metric => metric.Step).ShouldBe([3]);
    }

    [SkippableFact]
    public async Task Log_lines_are_recorded_once_and_read_by_cursor()
    {
        LogRow[] lines = [.. Enumerable.Range(1, 10).SelectMany(number => (LogRow[])[Line(0, number), Line(1, number)])];
        await _telemetry.RecordAsync([new TelemetryBatch("a", "w1", [], lines, [], [])], None);
        await _telemetry.RecordAsync([new TelemetryBatch("a", "w1", [], lines[..6], [], []), new TelemetryBatch("b", "w1", [], lines, [], [])], None);

        var all = await _telemetry.LogsAfterAsync("a", null, 0, 100, None);
        all.Select(line => (line.Rank, line.Number)).ShouldBe(lines.Select(line => (line.Rank, line.Number)));
        all.Select(line => line.Sequence).ShouldBeInOrder();
        (await _telemetry.LogsAfterAsync("a", 1, all[3].Sequence, 2, None)).Select(line => line.Number).ShouldBe([3L, 4]);
        var tail = await _telemetry.LogTailAsync("a", 0, 3, None);
        (await _telemetry.LogsAfterAsync("a", 0, tail, 100, None)).Select(line => line.Number).ShouldBe([8L, 9, 10]);
        (await _telemetry.LogTailAsync("a", null, 1000, None)).ShouldBe(0);
        (await _telemetry.LogTailAsync("a", null, 0, None)).ShouldBe(all[^1].Sequence);
    }

    [SkippableFact]
    public async Task Whatever_a_text_holds_does_no_harm()
    {
        LogRow[] lines =
        [
            Line(0, 1) with { Text = "half \uD83D a pair" },
            Line(0, 2) with { Text = "a \0 in it" },
            Line(0, 3) with { Text = "'; DROP TABLE logs; -- $1 \\ \n\t 🐳" },
            Line(0, 4) with { Text = "" },
        ];
        await _telemetry.RecordAsync([new TelemetryBatch("a", "w1", [], lines, [], [])], None);
        var read = await _telemetry.LogsAfterAsync("a", null, 0, 100, None);
        read.Select(line => line.Number).ShouldBe([1L, 2, 3, 4]);
        read[2].Text.ShouldBe(lines[2].Text);
        read[3].Text.ShouldBeEmpty();
    }

    [SkippableFact]
    public async Task A_large_batch_is_recorded_whole_and_once()
    {
        MetricRow[] metrics = [.. Enumerable.Range(1, 5000).Select(step => Metric(0, 1, step))];
        LogRow[] lines = [.. Enumerable.Range(1, 5000).Select(number => Line(0, number))];
        var batch = new TelemetryBatch("a", "w1", metrics, lines, [], []);
        await _telemetry.BeginGenerationAsync("a", 0, 1, 2, None);
        await _telemetry.RecordAsync([batch], None);
        await _telemetry.RecordAsync([batch], None);
        (await _telemetry.MetricsAfterAsync("a", 0, 9999, None)).ShouldBe(metrics);
        (await _telemetry.LogsAfterAsync("a", null, 0, 9999, None)).Select(line => line.Number).ShouldBe(lines.Select(line => line.Number));
        (await CommittedAsync()).ShouldBe(5000);
    }

    [SkippableFact]
    public async Task Names_are_kept_once_and_in_order()
    {
        foreach (var name in (string[])["w2", "w10", "W1", "w2"])
        {
            await _roster.AddWorkerAsync(name, None);
            await _roster.AddCorpusAsync(name, None);
        }
        (await _roster.WorkersAsync(None)).ShouldBe(["W1", "w10", "w2"]);
        (await _roster.CorporaAsync(None)).ShouldBe(["W1", "w10", "w2"]);
        await _roster.RemoveWorkerAsync("w10", None);
        (await _roster.WorkersAsync(None)).ShouldBe(["W1", "w2"]);
    }

    private async Task<IEnumerable<string>> ListAsync(JobFilter filter) => (await _jobs.ListAsync(filter, None)).Select(row => row.View.JobId);

    private async Task RecordAsync(params MetricRow[] metrics) => await _telemetry.RecordAsync([new TelemetryBatch("a", "w1", metrics, [], [], [])], None);

    private async Task<IEnumerable<(int Lineage, int Generation, long Step)>> PointsAsync() =>
        (await _telemetry.MetricsAfterAsync("a", 0, 100, None)).Select(point => (point.Lineage, point.Generation, point.Step));

    private async Task<long> CommittedAsync() => (await _telemetry.ProgressAsync("a", None)).CommittedStep;

    private static JobSubmission Submission(string id) => new(id, "a", "{}", "person:ada", Noon);

    private static JobView View(string id, JobPhase phase, long revision) => new()
    {
        JobId = id,
        Name = id.Split('-')[0],
        Phase = phase,
        JobJson = "{}",
        Submitter = "person:ada",
        SubmittedAt = Noon,
        Revision = revision,
    };

    private static JobHistoryEntry Entry(long sequence, string what) => new(sequence, Noon, "coordinator", what, "", JobPhase.Queued, 0, 1, 7);

    private static MetricRow Metric(int lineage, int generation, long step) => new(lineage, generation, step, Noon, 2, 3.5, 0.1, 1000, 0.5, null);

    private static LogRow Line(int rank, long number) => new(0, rank + 1, 1, rank, number, Noon, "w1", $"line {number}");
}
