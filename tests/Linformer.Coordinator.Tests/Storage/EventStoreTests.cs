using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;

namespace Linformer.Coordinator.Tests.Storage;

public sealed class SqliteEventStoreTests() : EventStoreTests(null);

[Collection(PostgresFixture.Collection)]
public sealed class PostgresEventStoreTests(PostgresFixture postgres) : EventStoreTests(postgres);

/// <summary>Events, on every kind of database.</summary>
public abstract class EventStoreTests(PostgresFixture? postgres) : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;

    private ITestDatabase _home = null!;
    private CoordinatorDatabase _database = null!;
    private DatabaseEventStore _events = null!;
    private DatabaseHistoryStore _history = null!;

    public async Task InitializeAsync()
    {
        _home = await TestDatabases.CreateAsync(postgres);
        _database = await _home.OpenAsync();
        _events = new DatabaseEventStore(_database);
        _history = new DatabaseHistoryStore(_database);
    }

    public async Task DisposeAsync()
    {
        await _database.DisposeAsync();
        await _home.DisposeAsync();
    }

    [SkippableFact]
    public async Task An_event_comes_back_as_it_was()
    {
        var row = new EventRow
        {
            At = Some.Noon,
            Kind = EventKind.Job,
            Subject = "a-aaaaa",
            Name = "a",
            Who = "person:ada",
            What = "paused",
            Why = "'; DROP TABLE events; --",
            Severity = EventSeverity.Warning,
            Lineage = 1,
            Generation = 2,
            Step = 1L << 40,
            Phase = JobPhase.Paused,
        };
        var plain = new EventRow { At = Some.Noon, Kind = EventKind.Coordinator, What = "started" };
        await _events.AppendAsync([row, plain], None);
        var read = await ReadAsync();
        read.Select(one => one with { Sequence = 0 }).ShouldBe([row, plain]);
        read.Select(one => one.Sequence).ShouldBeInOrder();
    }

    [SkippableFact]
    public async Task The_history_of_jobs_is_told_once_with_the_job_s_name()
    {
        await new DatabaseJobStore(_database).RecordSubmissionAsync("key", "sha", Some.Submission("small-aaaaa"), None);
        await _history.AppendAsync("small-aaaaa", [Entry(1, "submitted"), Entry(2, "rank 1 is gone", who: "worker:w1")], None);
        await _history.AppendAsync("small-aaaaa", [Entry(2, "told again"), Entry(3, "failed", JobPhase.Failed)], None);
        await _history.AppendAsync("unknown", [Entry(1, "submitted")], None);
        (await ReadAsync()).Select(one => (one.Kind, one.Subject, one.Name, one.What, one.Severity, one.Phase)).ShouldBe(
        [
            (EventKind.Job, "small-aaaaa", "small", "submitted", EventSeverity.Info, JobPhase.Queued),
            (EventKind.Job, "small-aaaaa", "small", "rank 1 is gone", EventSeverity.Warning, JobPhase.Queued),
            (EventKind.Job, "small-aaaaa", "small", "failed", EventSeverity.Error, JobPhase.Failed),
            (EventKind.Job, "unknown", "unknown", "submitted", EventSeverity.Info, JobPhase.Queued),
        ]);

        // Once they are too old, an entry that is written again does not bring them back.
        await new DatabaseRetention(_database).ApplyAsync(new RetentionOptions { BatchRows = 3 }, Some.Noon.AddDays(91), None);
        await _history.AppendAsync("small-aaaaa", [Entry(3, "failed", JobPhase.Failed)], None);
        (await ReadAsync()).ShouldBeEmpty();
        (await _history.ReadAfterAsync("small-aaaaa", 0, 10, None)).Count.ShouldBe(3);
    }

    [SkippableFact]
    public async Task They_are_read_from_either_end_page_by_page_with_any_filter()
    {
        await _events.AppendAsync([.. Enumerable.Range(1, 60).Select(Numbered)], None);
        var all = await ReadAsync(maximum: 1000);
        Func<EventRow, bool>[] filters = [_ => true, one => one.Kind is EventKind.Worker or EventKind.Corpus, one => one.Subject == "s3", one => one.Why.Contains("Odd", StringComparison.OrdinalIgnoreCase)];
        EventQuery[] queries =
        [
            new(0, 0, false, 7, []),
            new(0, 0, false, 7, [EventKind.Worker, EventKind.Corpus]),
            new(0, 0, false, 7, [], Subject: "s3"),
            new(0, 0, false, 7, [], Contains: "oDD"),
        ];
        foreach (var (query, filter) in queries.Zip(filters))
        {
            var expected = all.Where(filter).ToList();
            expected.Count.ShouldBeGreaterThan(7);
            var forwards = new List<EventRow>();
            for (var page = await _events.ReadAsync(query, None); ; page = await _events.ReadAsync(query with { After = forwards[^1].Sequence }, None))
            {
                forwards.AddRange(page.Events);
                if (!page.More)
                    break;
                page.Events.Count.ShouldBe(7);
            }
            forwards.ShouldBe(expected);
            var backwards = new List<EventRow>();
            var newest = query with { Newest = true };
            for (var page = await _events.ReadAsync(newest, None); ; page = await _events.ReadAsync(newest with { Before = backwards[0].Sequence }, None))
            {
                backwards.InsertRange(0, page.Events);
                if (!page.More)
                    break;
                page.Events.Count.ShouldBe(7);
            }
            backwards.ShouldBe(expected);
        }
    }

    [SkippableFact]
    public async Task A_search_that_has_looked_through_enough_tells_where_to_go_on()
    {
        await _events.AppendAsync([.. Enumerable.Range(1, 2500).Select(number => Numbered(number) with { At = Some.Noon, What = $"event {number}." })], None);
        var events = new DatabaseEventStore(_database) { LookedThrough = 1000 };
        foreach (var (newest, sought) in ((bool, string)[])[(true, "event 12."), (false, "event 2499.")])
        {
            var query = new EventQuery(0, 0, newest, 50, [], Contains: sought);
            var (found, pages) = (new List<EventRow>(), 1);
            var page = await events.ReadAsync(query, None);
            page.Events.Count(one => one.What == sought).ShouldBe(0);
            for (; page.More; pages++)
            {
                page = await events.ReadAsync(newest ? query with { Before = page.LookedTo } : query with { After = page.LookedTo }, None);
                found.AddRange(page.Events);
            }
            found.Count(one => one.What == sought).ShouldBe(1);
            pages.ShouldBe(3);
        }
    }

    [SkippableFact]
    public async Task Old_ones_are_deleted_and_zero_days_keep_all()
    {
        await _events.AppendAsync([.. Enumerable.Range(1, 60).Select(Numbered)], None);
        var retention = new DatabaseRetention(_database);
        var options = new RetentionOptions { KeepEvents = TimeSpan.FromDays(10), BatchRows = 4 };
        (await retention.ApplyAsync(options with { KeepEvents = TimeSpan.Zero }, Some.Noon.AddYears(9), None)).Events.ShouldBe(0);
        (await retention.ApplyAsync(options with { KeepEvents = TimeSpan.MaxValue }, Some.Noon.AddYears(9), None)).Events.ShouldBe(0);
        (await retention.ApplyAsync(options, Some.Noon.AddDays(50), None)).Events.ShouldBe(39);
        (await ReadAsync()).Select(one => one.What).ShouldBe(Enumerable.Range(40, 21).Select(number => $"event {number}"));
    }

    private static EventRow Numbered(int number) => new()
    {
        At = Some.Noon.AddDays(number),
        Kind = (EventKind)(1 + (number % 4)),
        Subject = $"s{number % 5}",
        Name = $"s{number % 5}",
        What = $"event {number}",
        Why = number % 2 == 1 ? "it is odd" : "",
    };

    private static JobHistoryEntry Entry(long sequence, string what, JobPhase phase = JobPhase.Queued, string who = "coordinator") =>
        new(sequence, Some.Noon, who, what, "", phase, 0, 1, 7);

    private async Task<IReadOnlyList<EventRow>> ReadAsync(int maximum = 100) => (await _events.ReadAsync(new EventQuery(0, 0, false, maximum, []), None)).Events;
}
