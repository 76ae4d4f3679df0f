using Linformer.Coordinator.Storage;

namespace Linformer.Coordinator.Tests.Storage;

public sealed class SqliteTelemetryReaderTests() : TelemetryReaderTests(null);

[Collection(PostgresFixture.Collection)]
public sealed class PostgresTelemetryReaderTests(PostgresFixture postgres) : TelemetryReaderTests(postgres);

/// <summary>Samples, generations and pages of the log, on every kind of database.</summary>
public abstract class TelemetryReaderTests(PostgresFixture? postgres) : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;

    private ITestDatabase _home = null!;
    private CoordinatorDatabase _database = null!;
    private DatabaseTelemetryStore _telemetry = null!;
    private DatabaseTelemetryReader _reader = null!;

    public async Task InitializeAsync()
    {
        _home = await TestDatabases.CreateAsync(postgres);
        _database = await _home.OpenAsync();
        _telemetry = new DatabaseTelemetryStore(_database);
        _reader = new DatabaseTelemetryReader(_database);
    }

    public async Task DisposeAsync()
    {
        await _database.DisposeAsync();
        await _home.DisposeAsync();
    }

    [SkippableFact]
    public async Task A_sample_comes_back_as_it_was_and_is_recorded_once()
    {
        await _telemetry.RecordAsync([Batch([Metric(1, 1)], [])], None);
        var sample = new RankSampleRow(0, 0, 1, 3, 7, 4, "w1", Some.Noon, 5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6L << 40, 7L << 40, 8L << 30);
        await _telemetry.RecordAsync([Batch([], [sample, sample with { DataMilliseconds = 99 }])], None);
        await _telemetry.RecordAsync([Batch([], [sample with { DataMilliseconds = 98 }])], None);
        var read = (await _reader.RankSamplesAsync("a", null, 0, 0, 10, None)).ShouldHaveSingleItem();
        read.ShouldBe(sample with { Sequence = read.Sequence });
        (await _reader.RankSamplesAfterAsync("a", 0, 10, None)).ShouldBe([read]);
        (await _reader.RankSamplesAfterAsync("a", read.Sequence, 10, None)).ShouldBeEmpty();
        (await _reader.RankSamplesAsync("b", null, 0, 0, 10, None)).ShouldBeEmpty();
    }

    [SkippableFact]
    public async Task In_any_history_samples_are_chosen_evenly_from_those_that_count()
    {
        for (var seed = 0; seed < 15; seed++)
        {
            var random = new Random(seed);
            var job = $"seed-{seed}";
            var metrics = new List<MetricRow>();
            var samples = new List<RankSampleRow>();
            for (var generation = 1; generation <= random.Next(1, 5); generation++)
            {
                var first = random.Next(1, 300);
                var last = first + random.Next(0, 300);
                metrics.AddRange(Enumerable.Range(first, last - first + 1).Select(step => Metric(generation, step)));
                for (var rank = 0; rank < random.Next(1, 4); rank++)
                    samples.AddRange(Enumerable.Range(first, last - first + 1).Where(_ => random.Next(3) > 0).Select(step => Sample(generation, rank, step)));
            }
            await _telemetry.RecordAsync([new TelemetryBatch(job, "w1", metrics, [], [], [], [.. samples.OrderBy(_ => random.Next())])], None);
            var valid = samples
                .Where(sample => !metrics.Exists(newer => newer.Generation > sample.Generation && newer.Step <= sample.Step))
                .OrderBy(sample => sample.Rank).ThenBy(sample => sample.Step).ToList();

            Same(await _reader.RankSamplesAsync(job, null, 0, 0, 5000, None), valid, seed);
            foreach (var points in (int[])[1, 2, 17, 100])
            {
                var from = random.Next(1, 300);
                var to = from + random.Next(0, 300);
                var inside = valid.Where(sample => sample.Step >= from && sample.Step <= to).ToList();
                var chosen = await _reader.RankSamplesAsync(job, null, from, to, points, None);
                chosen.Select(Key).ShouldBeSubsetOf(inside.Select(Key), $"seed {seed}");
                chosen.Select(Key).ShouldBe(chosen.OrderBy(sample => sample.Rank).ThenBy(sample => sample.Step).Select(Key));
                foreach (var rank in inside.Select(sample => sample.Rank).Distinct())
                {
                    var (all, few) = (inside.Where(sample => sample.Rank == rank).ToList(), chosen.Where(sample => sample.Rank == rank).ToList());
                    few.Count.ShouldBeInRange(1, points, $"seed {seed}");
                    // Each that was left out has one that stands for it, not further away than the steps of a part.
                    var part = (to - from + points) / points;
                    all.ShouldAllBe(sample => few.Exists(one => one.Step >= sample.Step && one.Step - sample.Step < part), $"seed {seed}");
                    Same(await _reader.RankSamplesAsync(job, rank, from, to, points, None), few, seed);
                }
            }
        }
    }

    [SkippableFact]
    public async Task Samples_of_very_many_ranks_are_fewer_each()
    {
        await _telemetry.RecordAsync([Batch([.. Enumerable.Range(1, 50).Select(step => Metric(1, step))], [.. Enumerable.Range(0, 900).SelectMany(rank => Enumerable.Range(1, 50).Select(step => Sample(1, rank, step)))])], None);
        var chosen = await _reader.RankSamplesAsync("a", null, 0, 0, 50, None);
        chosen.Count.ShouldBeInRange(10_000, 20_000);
        chosen.DistinctBy(sample => sample.Rank).Count().ShouldBe(900);
        (await _reader.RankSamplesAsync("a", null, 0, long.MaxValue, 1, None)).ShouldAllBe(sample => sample.Step == 50);
        (await _reader.RankSamplesAsync("a", null, long.MaxValue, long.MaxValue, 1, None)).ShouldBeEmpty();
        (await _reader.RankSamplesAsync("a", 12345, 0, 0, 1, None)).ShouldBeEmpty();
    }

    [SkippableFact]
    public async Task Generations_are_those_that_have_taken_a_step_the_newest_of_many()
    {
        for (var generation = 1; generation <= 12; generation++)
        {
            await _telemetry.BeginGenerationAsync("a", generation / 10, generation, generation, None);
            if (generation % 3 != 0)
                await _telemetry.RecordAsync([Batch([Metric(generation, generation * 10) with { Lineage = generation / 10 }], [])], None);
        }
        var rows = await _reader.GenerationsAsync("a", 5, None);
        rows.Select(row => (row.Lineage, row.Generation, row.WorldSize, row.FirstStep)).ShouldBe([(0, 5, 5, 50), (0, 7, 7, 70), (0, 8, 8, 80), (1, 10, 10, 100), (1, 11, 11, 110)]);
        (await _reader.GenerationsAsync("a", 100, None)).Count.ShouldBe(8);
    }

    [SkippableFact]
    public async Task The_log_is_read_page_by_page_in_both_directions()
    {
        await LogAsync([.. Enumerable.Range(1, 95).Select(number => Line(number % 2, number, $"line {number}"))]);
        await _telemetry.RecordAsync([new TelemetryBatch("other", "w1", [], [Line(0, 1, "other")], [], [])], None);
        var all = await _telemetry.LogsAfterAsync("a", null, 0, 1000, None);
        var seen = new List<LogRow>();
        var page = await PageAsync();
        for (var pages = 1; ; pages++)
        {
            page.Lines.Select(line => line.Sequence).ShouldBeInOrder();
            seen.InsertRange(0, page.Lines);
            page.LookedTo.ShouldBe(page.Lines[0].Sequence);
            if (!page.More)
                break;
            pages.ShouldBeLessThan(10);
            page = await PageAsync(before: page.LookedTo);
        }
        seen.ShouldBe(all);

        var forwards = await PageAsync(after: all[49].Sequence);
        (forwards.More, forwards.LookedTo).ShouldBe((true, all[59].Sequence));
        forwards.Lines.ShouldBe(all.Skip(50).Take(10));
        var end = await PageAsync(after: all[84].Sequence);
        (end.More, end.Lines.Count).ShouldBe((false, 10));
        var beyond = await PageAsync(after: all[^1].Sequence);
        (beyond.Lines.Count, beyond.More, beyond.LookedTo).ShouldBe((0, false, 0));

        var ofRank = await PageAsync(rank: 1);
        ofRank.Lines.ShouldBe(all.Where(line => line.Rank == 1).TakeLast(10));
        (await PageAsync(rank: 7)).Lines.ShouldBeEmpty();
    }

    [SkippableTheory]
    [InlineData("NEEDLE", "a needle in it", true)]
    [InlineData("needle", "a NeEdLe in it", true)]
    [InlineData("größe", "Die GRÖSSE", false)]
    [InlineData("größe", "die GRÖßE", true)]
    [InlineData("ПРИВЕТ", "и привет всем", true)]
    [InlineData("100%", "it is 100% done", true)]
    [InlineData("100%", "it is 1000 done", false)]
    [InlineData("a_c", "abc", false)]
    [InlineData("\\", "C:\\temp", true)]
    [InlineData("'; DROP TABLE logs; --", "said '; drop table logs; -- twice", true)]
    [InlineData("🐳", "a 🐳 swims", true)]
    public async Task A_search_finds_what_is_written_whatever_the_database_makes_of_it(string text, string line, bool found)
    {
        await LogAsync([Line(0, 1, "nothing"), Line(0, 2, line), Line(0, 3, "nothing")]);
        (await PageAsync(contains: text)).Lines.Select(one => one.Number).ShouldBe(found ? [2] : []);
        (await PageAsync(contains: text, after: 1)).More.ShouldBeFalse();
    }

    [SkippableFact]
    public async Task A_search_looks_through_so_many_lines_a_call_and_tells_where_to_go_on()
    {
        await LogAsync([.. Enumerable.Range(1, 45_000).Select(number => Line(0, number, number is 3 or 30_000 ? "needle" : "hay"))]);
        var all = await _telemetry.LogsAfterAsync("a", null, 0, 100_000, None);

        var first = await PageAsync(contains: "NEEDLE");
        (first.More, first.Lines.ShouldHaveSingleItem().Number).ShouldBe((true, 30_000));
        first.LookedTo.ShouldBe(all[25_000].Sequence);
        var second = await PageAsync(contains: "NEEDLE", before: first.LookedTo);
        (second.More, second.Lines.Count).ShouldBe((true, 0));
        var third = await PageAsync(contains: "NEEDLE", before: second.LookedTo);
        (third.More, third.Lines.ShouldHaveSingleItem().Number).ShouldBe((false, 3));

        // Forwards, a page that is full ends before.
        var one = await _reader.LogPageAsync(new LogQuery("a", null, "needle", 0, all[0].Sequence, 1), None);
        (one.More, one.LookedTo).ShouldBe((true, all[2].Sequence));
    }

    [SkippableFact]
    public async Task Long_lines_make_a_short_page()
    {
        await LogAsync([.. Enumerable.Range(1, 400).Select(number => Line(0, number, new string('x', 8192)))]);
        var page = await _reader.LogPageAsync(new LogQuery("a", null, "", 0, 0, 2000), None);
        page.More.ShouldBeTrue();
        page.Lines.Sum(line => line.Text.Length).ShouldBeInRange(1 << 20, (1 << 20) + 8192);
        page.Lines[^1].Number.ShouldBe(400);
    }

    private static (int, int, long) Key(RankSampleRow row) => (row.Generation, row.Rank, row.Step);

    private static void Same(IReadOnlyList<RankSampleRow> read, IReadOnlyList<RankSampleRow> expected, int seed) =>
        read.Select(Key).ShouldBe(expected.Select(Key), $"seed {seed}");

    private Task<LogPage> PageAsync(long before = 0, long after = 0, int? rank = null, string contains = "") =>
        _reader.LogPageAsync(new LogQuery("a", rank, contains, before, after, 10), None);

    private async Task LogAsync(LogRow[] lines) => await _telemetry.RecordAsync([new TelemetryBatch("a", "w1", [], lines, [], [])], None);

    private static TelemetryBatch Batch(MetricRow[] metrics, RankSampleRow[] samples) => new("a", "w1", metrics, [], [], [], samples);

    private static MetricRow Metric(int generation, long step) => new(0, generation, step, Some.Noon, 2, 3.5, 0.1, 1000, 0.5, null);

    private static RankSampleRow Sample(int generation, int rank, long step) =>
        new(0, 0, generation, rank, step, rank + 1, "w1", Some.Noon.AddSeconds(step), 1, 1, 2, 3, 4, 5, 6, 7, 8, 9);

    private static LogRow Line(int rank, long number, string text) => new(0, rank + 1, 1, rank, number, Some.Noon, "w1", text);
}
