using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;

namespace Linformer.Coordinator.Tests.Storage;

public sealed class SqliteLeaseTests() : DatabaseTests(null);

[Collection(PostgresFixture.Collection)]
public sealed class PostgresLeaseTests(PostgresFixture postgres) : DatabaseTests(postgres);

/// <summary>What every kind of database promises of leases, epochs and its end.</summary>
public abstract class DatabaseTests(PostgresFixture? postgres) : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;

    private ITestDatabase _home = null!;

    /// <summary>Everything that writes, by its name.</summary>
    private static IEnumerable<(string Name, Func<CoordinatorDatabase, Task> Write)> Writes()
    {
        yield return ("a submission", database => new DatabaseJobStore(database).RecordSubmissionAsync("key-2", "sha", Some.Submission("b-bbbbb"), None));
        yield return ("a job's row", database => new DatabaseJobStore(database).SaveAsync(View(), None));
        yield return ("history", database => new DatabaseHistoryStore(database).AppendAsync("a", [new JobHistoryEntry(1, Some.Noon, "x", "y", "", JobPhase.Queued, 0, 1, 0)], None));
        yield return ("a generation", database => new DatabaseTelemetryStore(database).BeginGenerationAsync("a", 0, 1, 1, None));
        yield return ("telemetry", database => new DatabaseTelemetryStore(database).RecordAsync([new TelemetryBatch("a", "w1", [], [], [new CheckpointRow("c", 0, 1, 1, Some.Noon, 1, true)], [])], None));
        yield return ("a worker", database => new DatabaseRosterStore(database).AddWorkerAsync("after", None));
        yield return ("a worker's end", database => new DatabaseRosterStore(database).RemoveWorkerAsync("before", None));
        yield return ("a corpus", database => new DatabaseRosterStore(database).AddCorpusAsync("after", None));
        yield return ("a token", database => new DatabaseTokenStore(database).AddAsync(new TokenRow("aaaaaaaa", "ada", Protocol.V1.Role.Viewer, "", "admin", Some.Noon, Some.Noon, null), "00", None));
        yield return ("a token's end", database => new DatabaseTokenStore(database).RevokeAsync("aaaaaaaa", Some.Noon, None));
        yield return ("an entry of the audit log", database => new DatabaseAuditStore(database).AppendAsync(new AuditRow(0, Some.Noon, "ada", "", "", "", "", "", ""), None));
        yield return ("an event", database => new DatabaseEventStore(database).AppendAsync([new EventRow { At = Some.Noon, Kind = EventKind.Worker, What = "x" }], None));
        yield return ("a job's deletion", database => new DatabaseRetention(database).DeleteJobAsync("nothing", None));
        yield return ("a grain's state", database => new DatabaseGrainStorage(database).WriteStateAsync("state", GrainId.Create("job", "a"), new GrainState<JobState>(new JobState())));
        yield return ("a grain's end", database => new DatabaseGrainStorage(database).ClearStateAsync("state", GrainId.Create("job", "b"), new GrainState<JobState>()));
    }

    public async Task InitializeAsync() => _home = await TestDatabases.CreateAsync(postgres);

    public async Task DisposeAsync() => await _home.DisposeAsync();

    [SkippableFact]
    public async Task The_epoch_goes_up_with_each_start()
    {
        for (var epoch = 1; epoch <= 3; epoch++)
        {
            await using var database = await _home.OpenAsync();
            database.Epoch.ShouldBe(epoch);
        }
    }

    [SkippableFact]
    public async Task A_coordinator_whose_lease_was_taken_writes_nothing_more()
    {
        await using var first = await _home.OpenAsync();
        await new DatabaseRosterStore(first).AddWorkerAsync("before", None);
        await using var second = await _home.SeizeAsync();
        second.Epoch.ShouldBe(2);

        foreach (var (name, write) in Writes())
        {
            var fenced = await Should.ThrowAsync<FencedException>(() => write(first), name);
            fenced.Message.ShouldContain("epoch 2");
        }
        (await first.Lost.WaitAsync(TimeSpan.FromSeconds(20))).ShouldBeOfType<FencedException>();
        second.Lost.IsCompleted.ShouldBeFalse();

        (await new DatabaseRosterStore(second).WorkersAsync(None)).ShouldBe(["before"]);
        (await new DatabaseRosterStore(second).CorporaAsync(None)).ShouldBeEmpty();
        (await new DatabaseJobStore(second).UnfinishedAsync(None)).ShouldBeEmpty();
        (await new DatabaseHistoryStore(second).ReadAfterAsync("a", 0, 10, None)).ShouldBeEmpty();
        (await new DatabaseTelemetryStore(second).ProgressAsync("a", None)).Generation.ShouldBe(0);
        (await new DatabaseTelemetryStore(second).CheckpointsAsync("a", None)).ShouldBeEmpty();
        foreach (var (name, write) in Writes())
            await Should.NotThrowAsync(() => write(second), name);
    }

    [SkippableFact]
    public async Task A_newer_schema_is_refused()
    {
        await using (await _home.OpenAsync())
        {
        }
        await _home.SqlAsync("INSERT INTO schema_version VALUES (99, '2099-01-01T00:00:00Z')");
        var refusal = await Should.ThrowAsync<StorageException>(_home.OpenAsync);
        refusal.Message.ShouldContain("version 99");
        // The refused start has left the lease as it was.
        await _home.SqlAsync("DELETE FROM schema_version WHERE version = 99");
        await using var database = await _home.OpenAsync();
        database.Epoch.ShouldBe(2);
    }

    [SkippableFact]
    public async Task A_cancelled_wait_ends_and_a_closed_database_says_so()
    {
        var database = await _home.OpenAsync();
        var roster = new DatabaseRosterStore(database);
        using var gone = new CancellationTokenSource();
        await gone.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => roster.AddWorkerAsync("w1", gone.Token));
        (await roster.WorkersAsync(None)).ShouldBeEmpty();
        await database.DisposeAsync();
        (await Should.ThrowAsync<StorageException>(() => roster.AddWorkerAsync("w1", None))).Message.ShouldContain("closed");
        (await Should.ThrowAsync<StorageException>(() => roster.WorkersAsync(None))).Message.ShouldContain("closed");
    }

    [SkippableFact]
    public async Task A_write_that_is_refused_takes_none_of_those_beside_it_along()
    {
        await using var database = await _home.OpenAsync();
        var jobs = new DatabaseJobStore(database);
        await jobs.RecordSubmissionAsync("key", "sha", Some.Submission("first-aaaaa"), None);
        // Together, so that they meet in one transaction.
        Task[] writes =
        [
            .. Enumerable.Range(0, 50).Select(i => i == 25
                ? jobs.RecordSubmissionAsync("key", "other", Some.Submission("refused-aaaaa"), None)
                : jobs.RecordSubmissionAsync($"key-{i}", "sha", Some.Submission($"job-{i:d5}"), None)),
        ];
        await Should.ThrowAsync<IdempotencyConflictException>(writes[25]);
        await Task.WhenAll(writes.Where(write => write != writes[25]));
        (await jobs.UnfinishedAsync(None)).Count.ShouldBe(50);
    }

    private static JobView View() => new()
    {
        JobId = "a-aaaaa",
        Name = "a",
        Phase = JobPhase.Queued,
        JobJson = "{}",
        Submitter = "person:ada",
        SubmittedAt = Some.Noon,
        Revision = 1,
    };
}
