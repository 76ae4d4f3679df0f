using Xunit.Abstractions;

namespace EndToEnd.Clusters;

/// <summary>One of two coordinators goes: the other serves, and nothing is lost or written twice.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class StandbyTests(ITestOutputHelper output) : IDisposable
{
    private const int Steps = 1000;
    private const int Endless = 1_000_000;

    // From the first step on, however long one of them takes to start.
    private const string Both = "{ min: 2, max: 2 }";

    // Far more than it takes, and far less than it would take if nobody took over.
    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(60);

    private readonly Workspace _workspace = new();

    public void Dispose() => _workspace.Dispose();

    [SkippableFact]
    public async Task The_active_one_is_killed_while_two_jobs_train_and_the_standby_serves_within_seconds()
    {
        await using var cluster = await TwoCoordinators.CreateAsync(_workspace);
        var (active, _) = await cluster.StartBothAsync();
        cluster.StartWorker("w1", slots: 2);
        cluster.StartWorker("w2", slots: 2);
        var endless = await cluster.SubmitAsync(_workspace.Job("endless", Endless, ranks: Both));
        var job = await cluster.SubmitAsync(_workspace.Job("first", Steps, ranks: Both));
        var watch = cluster.Start("watch", job, "--coordinator", cluster.Addresses, "--output", "json");
        await cluster.WaitForStepAsync(endless, 50);
        await cluster.WaitForStepAsync(job, 50);

        active.Signal("KILL");
        var last = await cluster.LastStepAsync(endless);
        var took = await cluster.ServesAsync(1);
        output.WriteLine($"The standby served {took.TotalSeconds:f2} s after the kill; the lease lasts 3 s.");
        took.ShouldBeLessThan(Generous);

        await cluster.WaitForStepAsync(endless, last);
        await CancelAndCheckAsync(cluster, endless);
        await cluster.WaitForEndAsync(job, "succeeded");
        (await cluster.JobAsync(job)).GetProperty("generation").GetInt32().ShouldBe(1);
        (await cluster.SqlAsync<long>($"SELECT count(*) FROM metrics WHERE job_id = '{job}'")).ShouldBe(Steps);
        var watched = await watch.WaitAsync();
        watched.ExitCode.ShouldBe(0, watched.Error);
    }

    [SkippableFact]
    public async Task One_that_is_stopped_and_wakes_up_after_its_lease_writes_nothing_and_ends()
    {
        await using var cluster = await TwoCoordinators.CreateAsync(_workspace);
        // Long enough that a busy machine does not take it away before.
        var (active, _) = await cluster.StartBothAsync(lease: 8);
        cluster.StartWorker("w1", slots: 2);
        var job = await cluster.SubmitAsync(_workspace.Job("only", Endless, ranks: Both));
        await cluster.WaitForStepAsync(job, 50);
        var former = await cluster.SqlAsync<string>("SELECT holder FROM lease");
        await AuditAsync(cluster);
        await TwoCoordinators.UntilAsync(
            async () => await cluster.SqlAsync<long>($"SELECT count(*) FROM write_audit WHERE who = 'linformer-{former}'") > 0, "the first one's writes are seen");

        active.Signal("STOP");
        await cluster.ServesAsync(1);
        (await cluster.SqlAsync<string>("SELECT holder FROM lease")).ShouldNotBe(former);
        var taken = await cluster.SqlAsync<DateTime>("SELECT taken_at FROM lease");
        // The worker has found the new one: steps are recorded again.
        await cluster.WaitForStepAsync(job, await cluster.LastStepAsync(job));
        var files = Files();

        active.Signal("CONT");
        var ended = await active.WaitAsync();
        ended.ExitCode.ShouldBe(3, ended.Error);
        ended.Error.ShouldContain("epoch 2");
        Files().ShouldBe(files);
        await CancelAndCheckAsync(cluster, job);
        // The audit sees writes of the second, and none of the former's from the moment on at which the lease was taken.
        (await cluster.SqlAsync<long>("SELECT count(*) FROM write_audit WHERE who = 'linformer-' || (SELECT holder FROM lease)")).ShouldBePositive();
        (await cluster.SqlAsync<long>($"SELECT count(*) FROM write_audit WHERE who = 'linformer-{former}' AND at >= '{taken:O}'")).ShouldBe(0);
    }

    [SkippableFact]
    public async Task A_clean_stop_hands_over_at_once_and_one_that_stands_by_can_be_stopped()
    {
        await using var cluster = await TwoCoordinators.CreateAsync(_workspace);
        // Nobody would wait for the end of this lease.
        var (active, standby) = await cluster.StartBothAsync(lease: 60);
        (await TwoCoordinators.AcceptsAsync(cluster.Ports[1])).ShouldBeFalse();
        standby.Error.ShouldContain($"process {active.Id} on {Environment.MachineName}");
        standby.Signal("TERM");
        (await standby.WaitAsync()).ExitCode.ShouldBe(0);
        var tokens = Files();

        cluster.StartCoordinator(1, lease: 60);
        active.Signal("TERM");
        (await active.WaitAsync()).ExitCode.ShouldBe(0);
        (await cluster.ServesAsync(1)).ShouldBeLessThan(TimeSpan.FromSeconds(60));
        Files().ShouldBe(tokens);
        (await cluster.SqlAsync<long>("SELECT epoch FROM lease")).ShouldBe(2);
    }

    [SkippableFact]
    public async Task A_database_that_is_away_for_long_costs_no_rank_no_step_and_no_metric()
    {
        await using var cluster = await TwoCoordinators.CreateAsync(_workspace);
        var coordinator = cluster.StartCoordinator(0);
        await cluster.ServesAsync(0);
        cluster.StartWorker("w1", slots: 2);
        var job = await cluster.SubmitAsync(_workspace.Job("only", Endless, ranks: Both));
        await cluster.WaitForStepAsync(job, 50);

        await cluster.Server.StopAsync();
        await TwoCoordinators.UntilAsync(() => Task.FromResult(coordinator.Error.Contains("stands by until the database is back", StringComparison.Ordinal)), "the coordinator gives up");
        await cluster.Server.StartAgainAsync();

        await cluster.ServesAsync(0);
        await cluster.WaitForStepAsync(job, await cluster.LastStepAsync(job));
        await CancelAndCheckAsync(cluster, job);
        (await cluster.SqlAsync<long>("SELECT epoch FROM lease")).ShouldBe(2);
        coordinator.Signal("TERM");
        (await coordinator.WaitAsync()).ExitCode.ShouldBe(0);
    }

    // Ends a job that has never lost a rank; each of its steps is recorded, and once.
    private static async Task CancelAndCheckAsync(TwoCoordinators cluster, string job)
    {
        (await cluster.JobAsync(job)).GetProperty("state").GetString().ShouldBe("running");
        await cluster.CancelAsync(job);
        (await cluster.JobAsync(job)).GetProperty("generation").GetInt32().ShouldBe(1);
        (await cluster.SqlAsync<long>($"SELECT max(step) - count(*) FROM metrics WHERE job_id = '{job}'")).ShouldBe(0);
        (await cluster.SqlAsync<long>($"SELECT max(step) - count(DISTINCT step) FROM metrics WHERE job_id = '{job}'")).ShouldBe(0);
    }

    // Who has written what, in the same transaction.
    private static Task AuditAsync(TwoCoordinators cluster) => cluster.SqlAsync(
        """
        CREATE TABLE write_audit (at TIMESTAMPTZ NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL);
        CREATE FUNCTION write_audit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO write_audit VALUES (clock_timestamp(), current_setting('application_name'), TG_OP || ' ' || TG_TABLE_NAME);
            RETURN NULL;
        END $$;
        DO $$
        DECLARE
            name TEXT;
        BEGIN
            FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'write_audit' LOOP
                EXECUTE format('CREATE TRIGGER write_audit AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION write_audit()', name);
            END LOOP;
        END $$;
        """);

    private Dictionary<string, string> Files() => Directory.GetFiles(Path.Combine(_workspace.Root, "coordinator")).ToDictionary(path => path, File.ReadAllText);
}
