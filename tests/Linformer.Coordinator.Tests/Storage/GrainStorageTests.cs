using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Orleans.Storage;

namespace Linformer.Coordinator.Tests.Storage;

public sealed class SqliteGrainStorageTests() : GrainStorageTests(null);

[Collection(PostgresFixture.Collection)]
public sealed class PostgresGrainStorageTests(PostgresFixture postgres) : GrainStorageTests(postgres);

/// <summary>What the storage of grain states promises, on every kind of database.</summary>
public abstract class GrainStorageTests(PostgresFixture? postgres) : IAsyncLifetime
{
    private static readonly GrainId Id = GrainId.Create("job", "a-aaaaa");

    private ITestDatabase _home = null!;
    private CoordinatorDatabase _database = null!;
    private DatabaseGrainStorage _storage = null!;

    public async Task InitializeAsync()
    {
        _home = await TestDatabases.CreateAsync(postgres);
        _database = await _home.OpenAsync();
        _storage = new DatabaseGrainStorage(_database);
    }

    public async Task DisposeAsync()
    {
        await _database.DisposeAsync();
        await _home.DisposeAsync();
    }

    [SkippableFact]
    public async Task A_state_comes_back_whole()
    {
        var written = new GrainState<JobState>(State("waits"));
        await _storage.WriteStateAsync("state", Id, written);
        written.RecordExists.ShouldBeTrue();

        var read = await ReadAsync();
        read.RecordExists.ShouldBeTrue();
        read.ETag.ShouldBe(written.ETag);
        read.State!.View!.Placements.ShouldBe(State("waits").View!.Placements);
        read.State.Outbox.ShouldBe(State("waits").Outbox);
        read.State.HistorySequence.ShouldBe(3);
        // Another name and another grain have their own.
        var other = new GrainState<JobState>();
        await _storage.ReadStateAsync("other", Id, other);
        other.RecordExists.ShouldBeFalse();
        other.State.ShouldNotBeNull();
        other.ETag.ShouldBeNull();
    }

    [SkippableFact]
    public async Task A_state_that_was_written_meanwhile_is_not_overwritten()
    {
        await _storage.WriteStateAsync("state", Id, new GrainState<JobState>(State("first")));
        var mine = await ReadAsync();
        var theirs = await ReadAsync();
        theirs.State = State("theirs");
        await _storage.WriteStateAsync("state", Id, theirs);

        mine.State = State("mine");
        var conflict = await Should.ThrowAsync<InconsistentStateException>(() => _storage.WriteStateAsync("state", Id, mine));
        conflict.StoredEtag.ShouldBe(theirs.ETag);
        conflict.CurrentEtag.ShouldBe(mine.ETag);
        await Should.ThrowAsync<InconsistentStateException>(() => _storage.ClearStateAsync("state", Id, mine));
        await Should.ThrowAsync<InconsistentStateException>(() => _storage.WriteStateAsync("state", Id, new GrainState<JobState>(State("new"))));
        (await ReadAsync()).State!.View!.Reason.ShouldBe("theirs");
    }

    [SkippableFact]
    public async Task A_cleared_state_can_be_written_anew()
    {
        var state = new GrainState<JobState>(State("first"));
        await _storage.WriteStateAsync("state", Id, state);
        await _storage.ClearStateAsync("state", Id, state);
        state.RecordExists.ShouldBeFalse();
        state.State!.View.ShouldBeNull();
        (await ReadAsync()).RecordExists.ShouldBeFalse();
        state.State = State("second");
        await _storage.WriteStateAsync("state", Id, state);
        (await ReadAsync()).State!.View!.Reason.ShouldBe("second");
    }

    private async Task<GrainState<JobState>> ReadAsync()
    {
        var state = new GrainState<JobState>();
        await _storage.ReadStateAsync("state", Id, state);
        return state;
    }

    private static JobState State(string reason)
    {
        var noon = new DateTimeOffset(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);
        return new JobState
        {
            View = new JobView
            {
                JobId = "a-aaaaa",
                Name = "a",
                Phase = JobPhase.Queued,
                Reason = reason,
                JobJson = "{}",
                Submitter = "person:ada",
                SubmittedAt = noon,
                Placements = [new Placement(1, "w1", 1, Some.Noon), new Placement(2, "w2", 0, Some.Noon)],
            },
            Outbox = [new JobHistoryEntry(3, noon, "coordinator", "placed", "", JobPhase.Queued, 0, 1, 0)],
            HistorySequence = 3,
        };
    }
}
