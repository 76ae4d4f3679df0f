using System.Collections;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Postgres;
using Tests.Shared;

namespace Linformer.Coordinator.Tests.Storage;

/// <summary>What is PostgreSQL's alone: refusals of the server, its absence, and coordinators that stand by.</summary>
[Collection(PostgresFixture.Collection)]
public sealed class PostgresDatabaseTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly TimeSpan Never = TimeSpan.FromHours(1);

    // For what would otherwise hang.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private PostgresServer _server = null!;
    private PostgresTestDatabase _home = null!;

    /// <summary>A coordinator that stands still: its lease is short and never renewed.</summary>
    private PostgresDatabaseOptions Still => _home.Options with { LeaseDuration = TimeSpan.FromSeconds(4), RenewalInterval = Never };

    public async Task InitializeAsync()
    {
        _home = await PostgresTestDatabase.CreateAsync(postgres);
        _server = await postgres.ServerAsync();
    }

    public async Task DisposeAsync() => await _home.DisposeAsync();

    [SkippableFact]
    public async Task A_server_that_refuses_or_is_not_there_is_told_in_words()
    {
        await _server.SqlAsync(_home.Name, "CREATE ROLE guest LOGIN PASSWORD 'guest'");
        await RefusedAsync(_server.Uri(_home.Name, password: "wrong-secret"), "user 'linformer'", "password");
        await RefusedAsync(_server.Uri("no_such"), "/no_such is not there", "CREATE DATABASE \"no_such\"");
        await RefusedAsync(_server.Uri(_home.Name, user: "guest", password: "guest"), "user 'guest'", "OWNER TO");
        (await RefusedAsync("postgresql://linformer@127.0.0.1:1/x", "does not answer", "127.0.0.1:1")).ShouldBeOfType<DatabaseUnreachableException>();
        (await RefusedAsync("postgresql://linformer@no-such-host.invalid/x", "does not answer", "no-such-host")).ShouldBeOfType<DatabaseUnreachableException>();
        await _server.SqlAsync(_home.Name, $"ALTER DATABASE {_home.Name} SET default_transaction_read_only = on");
        await RefusedAsync(_server.Uri(_home.Name), "read-only");

        static async Task<StorageException> RefusedAsync(string uri, params string[] words)
        {
            var refusal = await Should.ThrowAsync<StorageException>(() => PostgresTestDatabase.OpenAsync(new PostgresDatabaseOptions(PostgresAddress.Parse(uri))));
            foreach (var word in words)
                refusal.Message.ShouldContain(word);
            refusal.Message.ShouldNotContain("wrong-secret");
            return refusal;
        }
    }

    [SkippableFact]
    public async Task Of_two_that_start_at_once_one_is_active_and_the_other_takes_over_when_that_one_stops()
    {
        var told = new List<string>();
        Task<PostgresDatabase>[] starts = [.. Enumerable.Range(0, 2).Select(_ => PostgresDatabase.OpenAsync(_home.Options, told.Add, None))];
        var active = await Task.WhenAny(starts).WaitAsync(Limit);
        var other = starts.Single(start => start != active);
        var first = await active;
        first.Epoch.ShouldBe(1);
        await Roster(first).AddWorkerAsync("w1", None);
        while (told.Count == 0)
            await Task.Delay(10, None);
        other.IsCompleted.ShouldBeFalse();
        told[0].ShouldContain($"process {Environment.ProcessId} on {Environment.MachineName}");

        // A clean stop gives the lease back; its time is far from over.
        await first.DisposeAsync();
        await using var second = await other.WaitAsync(Limit);
        second.Epoch.ShouldBe(2);
        (await Roster(second).WorkersAsync(None)).ShouldBe(["w1"]);
    }

    [SkippableFact]
    public async Task One_that_stands_still_is_replaced_when_its_time_is_over_and_learns_of_it()
    {
        await using var first = await PostgresTestDatabase.OpenAsync(Still);
        await Roster(first).AddWorkerAsync("before", None);
        await using var second = await _home.OpenAsync().WaitAsync(Limit);
        second.Epoch.ShouldBe(2);
        (await Should.ThrowAsync<FencedException>(() => Roster(first).AddWorkerAsync("after", None))).Message.ShouldContain("epoch 2");
        (await first.Lost.WaitAsync(Limit)).ShouldBeOfType<FencedException>();
        (await Roster(second).WorkersAsync(None)).ShouldBe(["before"]);
    }

    [SkippableFact]
    public async Task One_that_stands_still_in_the_middle_of_a_transaction_is_in_nobodys_way_and_what_it_did_is_undone()
    {
        await using var first = await PostgresTestDatabase.OpenAsync(Still);
        using var stop = new BlockingBatches();
        var writing = new DatabaseTelemetryStore(first).RecordAsync(stop, None);
        await stop.Reached.WaitAsync(Limit);
        (await _server.SqlAsync(_home.Name, "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()")).ShouldBe(1L);

        await using var second = await _home.OpenAsync().WaitAsync(Limit);
        var telemetry = new DatabaseTelemetryStore(second);
        await telemetry.BeginGenerationAsync("b", 0, 1, 1, None).WaitAsync(Limit);
        stop.GoOn();
        await Should.ThrowAsync<FencedException>(writing);
        (await telemetry.LogsAfterAsync("a", null, 0, 10, None)).ShouldBeEmpty();
    }

    [SkippableFact]
    public async Task A_slow_write_loses_neither_the_lease_nor_itself()
    {
        var options = _home.Options with { LeaseDuration = TimeSpan.FromSeconds(2), RenewalInterval = TimeSpan.FromSeconds(0.2), StandbyInterval = TimeSpan.FromSeconds(0.1) };
        await using var first = await PostgresTestDatabase.OpenAsync(options);
        using var giveUp = new CancellationTokenSource();
        var standby = PostgresDatabase.OpenAsync(options, _ => { }, giveUp.Token);
        using var stop = new BlockingBatches();
        var writing = new DatabaseTelemetryStore(first).RecordAsync(stop, None);
        await stop.Reached.WaitAsync(Limit);
        // Beyond the lease, and beyond the time that the server lets a transaction stand still.
        await Task.Delay(options.LeaseDuration * 3, None);
        stop.GoOn();
        await writing;
        (await new DatabaseTelemetryStore(first).LogsAfterAsync("a", null, 0, 10_000, None)).Count.ShouldBe(BlockingBatches.Lines);
        first.Lost.IsCompleted.ShouldBeFalse();
        standby.IsCompleted.ShouldBeFalse();
        await giveUp.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(standby);
    }

    [SkippableFact]
    public async Task Connections_that_are_cut_are_made_again()
    {
        await using var database = await _home.OpenAsync();
        await Roster(database).AddWorkerAsync("w1", None);
        await Roster(database).WorkersAsync(None);
        for (var i = 0; i < 3; i++)
        {
            await _server.SqlAsync(_home.Name, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
            (await Roster(database).WorkersAsync(None)).Count.ShouldBe(i + 1);
            await Roster(database).AddWorkerAsync($"more-{i}", None);
        }
        database.Lost.IsCompleted.ShouldBeFalse();
    }

    [SkippableFact]
    public async Task A_server_that_goes_away_fails_what_is_asked_and_serves_again_when_it_is_back()
    {
        await using var server = await PostgresServer.StartAsync();
        var options = new PostgresDatabaseOptions(PostgresAddress.Parse(server.Uri("postgres"))) { LeaseDuration = TimeSpan.FromSeconds(1), RenewalInterval = TimeSpan.FromSeconds(0.2), Patience = Never };
        await using var database = await PostgresTestDatabase.OpenAsync(options);
        await Roster(database).AddWorkerAsync("before", None);

        // A write waits a while for a server that is only restarted.
        await server.StopAsync();
        var waiting = Roster(database).AddWorkerAsync("meanwhile", None);
        await server.StartAgainAsync();
        await waiting;

        await server.StopAsync();
        (await Should.ThrowAsync<DatabaseUnreachableException>(() => Roster(database).WorkersAsync(None))).Message.ShouldContain(options.Address.Display);
        await Should.ThrowAsync<DatabaseUnreachableException>(() => Roster(database).AddWorkerAsync("lost", None)).WaitAsync(Limit);
        await server.StartAgainAsync();
        await Roster(database).AddWorkerAsync("after", None);
        (await Roster(database).WorkersAsync(None)).ShouldBe(["after", "before", "meanwhile"]);
        database.Lost.IsCompleted.ShouldBeFalse();
        database.Epoch.ShouldBe(1);
    }

    [SkippableFact]
    public async Task A_server_that_stays_away_ends_the_lease_and_one_that_waits_for_it_takes_it_up()
    {
        await using var server = await PostgresServer.StartAsync();
        var options = new PostgresDatabaseOptions(PostgresAddress.Parse(server.Uri("postgres"))) { RenewalInterval = TimeSpan.FromSeconds(0.2), Patience = TimeSpan.FromSeconds(1) };
        var first = await PostgresTestDatabase.OpenAsync(options);
        await server.StopAsync();
        (await first.Lost.WaitAsync(Limit)).ShouldBeOfType<DatabaseUnreachableException>();
        await first.DisposeAsync();

        var told = new TaskCompletionSource<string>();
        var again = PostgresDatabase.OpenAsync(options with { WaitForServer = true }, what => told.TrySetResult(what), None);
        (await told.Task.WaitAsync(Limit)).ShouldContain("does not answer");
        await server.StartAgainAsync();
        await using var second = await again.WaitAsync(Limit);
        second.Epoch.ShouldBe(2);
    }

    private static DatabaseRosterStore Roster(CoordinatorDatabase database) => new(database);

    /// <summary>Log lines of which a write has sent many when it stands still, the first time.</summary>
    private sealed class BlockingBatches : IReadOnlyList<TelemetryBatch>, IDisposable
    {
        public const int Lines = 2500;

        private readonly TaskCompletionSource _reached = new();
        private readonly ManualResetEventSlim _goOn = new();
        private bool _counted;

        public Task Reached => _reached.Task;

        public int Count => 1;

        public TelemetryBatch this[int index] => throw new NotSupportedException();

        public void GoOn() => _goOn.Set();

        public IEnumerator<TelemetryBatch> GetEnumerator()
        {
            LogRow[] lines = [.. Enumerable.Range(1, Lines).Select(number => new LogRow(0, 1, 1, 0, number, Some.Noon, "w1", "a line"))];
            yield return new TelemetryBatch("a", "w1", [], lines, [], []);
            if (!_counted)
            {
                _counted = true; // before the transaction
                yield break;
            }

            _reached.TrySetResult();
            _goOn.Wait(Limit);
        }

        public void Dispose() => _goOn.Dispose();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
