using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Tests.Storage;
using Linformer.Coordinator.Workers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Linformer.Coordinator.Tests.Scheduling;

/// <summary>The whole of the grains, with agents that do as they are told.</summary>
public sealed class SchedulerGrainTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_job_is_prepared_runs_and_succeeds()
    {
        await using var cluster = await TestCluster.StartAsync(_folder.Path);
        await using var one = await TestAgent.ConnectAsync(cluster, "w1");
        await using var two = await TestAgent.ConnectAsync(cluster, "w2");
        await cluster.SubmitAsync("a", min: 2, max: 2);

        var running = await cluster.UntilAsync("a", JobPhase.Running);
        running.Placements.Select(placement => placement.Worker).ShouldBe(["w1", "w2"]);
        running.Corpus!.Folder.ShouldBe("cache/f");
        await UntilAsync(() => one.Joined.Count == 1 && two.Joined.Count == 1);
        await two.EndAsync("a", MemberCondition.Finished);
        await one.EndAsync("a", MemberCondition.Finished);

        (await cluster.UntilAsync("a", JobPhase.Succeeded)).Summary.ShouldBe("{}");
        one.Leased.Concat(two.Leased).Where(lease => lease.Work == LeaseWork.Shards).Sum(lease => lease.ShardCount).ShouldBe(4);
    }

    [Fact]
    public async Task Jobs_for_the_same_slots_run_in_order()
    {
        await using var cluster = await TestCluster.StartAsync(_folder.Path);
        await using var agent = await TestAgent.ConnectAsync(cluster, "w1");
        await cluster.SubmitAsync("a");
        await cluster.UntilAsync("a", JobPhase.Running);
        await cluster.SubmitAsync("b");
        await cluster.SubmitAsync("c");
        (await cluster.UntilAsync("c", view => view.Reason.Length > 0)).Reason.ShouldBe("waits for its turn after job b");

        foreach (var job in (string[])["a", "b", "c"])
        {
            await cluster.UntilAsync(job, JobPhase.Running);
            await UntilAsync(() => agent.Joined.Contains((job, 1)));
            await agent.EndAsync(job, MemberCondition.Finished);
            await cluster.UntilAsync(job, JobPhase.Succeeded);
        }

        agent.Started.ShouldBe([("a", 1), ("b", 1), ("c", 1)]);
    }

    [Fact]
    public async Task A_killed_rank_makes_a_new_generation()
    {
        await using var cluster = await TestCluster.StartAsync(_folder.Path);
        await using var agent = await TestAgent.ConnectAsync(cluster, "w1");
        await cluster.SubmitAsync("a");
        await UntilAsync(() => agent.Joined.Count == 1);

        await agent.EndAsync("a", MemberCondition.Failed);

        await UntilAsync(() => agent.Joined.Count == 2);
        agent.Started.ShouldBe([("a", 1), ("a", 2)]);
        (await cluster.UntilAsync("a", view => view.Generation == 2)).LastFailure!.Signal.ShouldBe("SIGKILL");
    }

    [Fact]
    public async Task A_lost_workers_ranks_go_to_another()
    {
        await using var cluster = await TestCluster.StartAsync(_folder.Path, leaseSeconds: 1);
        var agent = await TestAgent.ConnectAsync(cluster, "w1");
        await cluster.SubmitAsync("a");
        await UntilAsync(() => agent.Joined.Count == 1);
        await using var other = await TestAgent.ConnectAsync(cluster, "w2");

        await agent.DisposeAsync();

        await UntilAsync(() => other.Joined.Count == 1);
        var view = await cluster.UntilAsync("a", view => view.Generation == 2);
        view.Placements.ShouldHaveSingleItem().Worker.ShouldBe("w2");
        (await cluster.History.ReadAfterAsync("a", 0, 100, default)).ShouldContain(entry => entry.Why == "worker w1 is lost");
    }

    [Fact]
    public async Task A_restarted_coordinator_finds_the_ranks_alive_and_lets_them_train_on()
    {
        ReportedGroup held;
        await using (var cluster = await TestCluster.StartAsync(_folder.Path))
        {
            await using var agent = await TestAgent.ConnectAsync(cluster, "w1");
            await cluster.SubmitAsync("a");
            await UntilAsync(() => agent.Joined.Count == 1);
            held = agent.Held("a");
        }

        await using var again = await TestCluster.StartAsync(_folder.Path);
        await using var back = await TestAgent.ConnectAsync(again, "w1", groups: [held]);
        await UntilAsync(async () => (await again.Worker("w1").Get(default))!.Assignment.Revision > 0);

        (await again.Worker("w1").Get(default))!.Assignment.Groups.ShouldHaveSingleItem().Plan!.Generation.ShouldBe(1);
        back.Started.ShouldBeEmpty();
        await back.EndAsync("a", MemberCondition.Finished);
        (await again.UntilAsync("a", JobPhase.Succeeded)).Generation.ShouldBe(1);
    }

    [Fact]
    public async Task A_worker_that_comes_back_without_its_ranks_gets_a_new_generation_never_the_old_one()
    {
        await using (var cluster = await TestCluster.StartAsync(_folder.Path, leaseSeconds: 1))
        {
            await using var agent = await TestAgent.ConnectAsync(cluster, "w1");
            await cluster.SubmitAsync("a");
            await UntilAsync(() => agent.Joined.Count == 1);
        }

        await using var again = await TestCluster.StartAsync(_folder.Path, leaseSeconds: 1);
        await using var back = await TestAgent.ConnectAsync(again, "w1");

        await UntilAsync(() => back.Joined.Count == 1);
        back.Started.ShouldBe([("a", 2)]);
        back.Joined.ShouldBe([("a", 2)]);
    }

    [Fact]
    public async Task A_job_pauses_with_a_stop_and_is_resumed_after_its_corpus_was_checked()
    {
        await using var cluster = await TestCluster.StartAsync(_folder.Path);
        await using var agent = await TestAgent.ConnectAsync(cluster, "w1");
        await cluster.SubmitAsync("a");
        await UntilAsync(() => agent.Joined.Count == 1);

        await cluster.Job("a").Pause(Some.Ada, default);
        await cluster.UntilAsync("a", JobPhase.Paused);
        var plans = agent.Leased.Count(lease => lease.Work == LeaseWork.Plan);
        await cluster.Job("a").Resume(Some.Ada, default);

        await UntilAsync(() => agent.Joined.Count == 2);
        agent.Leased.Where(lease => lease.Work == LeaseWork.Plan).DistinctBy(lease => lease.LeaseId).Count().ShouldBe(2);
        plans.ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task A_worker_that_leaves_hands_over_to_another()
    {
        await using var cluster = await TestCluster.StartAsync(_folder.Path);
        await using var agent = await TestAgent.ConnectAsync(cluster, "w1");
        await cluster.SubmitAsync("a");
        await UntilAsync(() => agent.Joined.Count == 1);
        await using var other = await TestAgent.ConnectAsync(cluster, "w2");

        await agent.DrainAsync();

        await UntilAsync(() => other.Joined.Count == 1);
        (await cluster.History.ReadAfterAsync("a", 0, 100, default)).Select(entry => entry.Why).ShouldContain("worker w1 leaves");
    }

    [Fact]
    public async Task A_job_goes_on_without_a_lost_rank_and_takes_a_replacement_in()
    {
        await using var cluster = await TestCluster.StartAsync(_folder.Path);
        await using var one = await TestAgent.ConnectAsync(cluster, "w1");
        await using var two = await TestAgent.ConnectAsync(cluster, "w2");
        await cluster.SubmitAsync("a", min: 1, max: 2);
        await UntilAsync(() => one.Joined.Count == 1 && two.Joined.Count == 1);

        await cluster.Telemetry.RecordAsync(
            [new TelemetryBatch("a", "w1", [new MetricRow(0, 1, 7, Some.Noon, 2, 2.5, 1e-3, 100, null, null)], [], [], [])], default);
        two.Ready = false;
        await two.EndAsync("a", MemberCondition.Failed);
        var smaller = await cluster.UntilAsync("a", view => view.Generation == 2);
        (smaller.WorldSize, smaller.Plan!.Source, smaller.Plan.AtOnce).ShouldBe((1, StateSource.Survivors, true));
        await UntilAsync(() => two.Started.Count == 2);
        await two.ChangeAsync("a", member => member with { Condition = MemberCondition.Waiting });

        var whole = await cluster.UntilAsync("a", view => view.Generation == 3);
        (whole.Plan!.Source, whole.Plan.AtOnce).ShouldBe((StateSource.Survivors, false));
        whole.Plan.Members.ShouldBe([1, 3]);
        await UntilAsync(() => two.Joined.Count == 2);
        one.Started.ShouldHaveSingleItem();
        (await cluster.History.ReadAfterAsync("a", 0, 100, default)).Select(entry => entry.What).ShouldContain("generation 3 started with 2 ranks");
    }

    [Fact]
    public async Task A_drained_worker_hands_over_to_another_and_keeps_nothing_until_that_is_taken_back()
    {
        await using var cluster = await TestCluster.StartAsync(_folder.Path);
        await using var one = await TestAgent.ConnectAsync(cluster, "w1");
        await cluster.SubmitAsync("a", min: 1, max: 2);
        await UntilAsync(() => one.Joined.Count == 1);
        await using var two = await TestAgent.ConnectAsync(cluster, "w2");
        await cluster.UntilAsync("a", view => view is { Generation: 2, WorldSize: 2 });

        await cluster.Worker("w1").Drain("person:ada", default);
        await cluster.Scheduler.Poke(default);

        await cluster.UntilAsync("a", view => view is { Phase: JobPhase.Running, WorldSize: 1, Placements.Length: 1 });
        await UntilAsync(() => one.Held("a").Members.IsEmpty);
        (await cluster.History.ReadAfterAsync("a", 0, 100, default)).ShouldContain(entry => entry.Why == "worker w1 is drained by person:ada");
        await cluster.Worker("w1").Drain("", default);
        await cluster.Scheduler.Poke(default);
        await cluster.UntilAsync("a", view => view is { WorldSize: 2 });
    }

    [Fact]
    public async Task A_rank_is_slow_that_was_so_at_three_looks_in_a_row_and_until_it_was_not_at_three()
    {
        var time = new SteppedTime(frozen: true);
        PassCount passes = null!;
        await using var cluster = await TestCluster.StartAsync(_folder.Path, configure: services =>
        {
            services.AddTime(time);
            passes = PassCount.Of(services);
        });
        await using var one = await TestAgent.ConnectAsync(cluster, "w1");
        await using var two = await TestAgent.ConnectAsync(cluster, "w2");
        await cluster.SubmitAsync("a", min: 2, max: 2);
        await UntilAsync(() => one.Joined.Count == 1 && two.Joined.Count == 1);
        async Task<IEnumerable<int>> LookAsync(double milliseconds)
        {
            await two.ChangeAsync("a", member => member with { StepMilliseconds = milliseconds });
            time.Step(TimeSpan.FromSeconds(2.1));
            var begun = passes.Begun;
            // The second to begin from now on begins when the first, which looks, has ended.
            await UntilAsync(() => passes.Begun >= begun + 2);
            return (await cluster.Job("a").Get(default))!.Slow.Select(member => member.Member);
        }
        await one.ChangeAsync("a", member => member with { StepMilliseconds = 50 });
        await LookAsync(50);

        (await LookAsync(130)).ShouldBeEmpty();
        (await LookAsync(130)).ShouldBeEmpty();
        (await LookAsync(50)).ShouldBeEmpty();
        (await LookAsync(130)).ShouldBeEmpty();
        (await LookAsync(130)).ShouldBeEmpty();
        (await LookAsync(130)).ShouldBe([2]);
        (await LookAsync(50)).ShouldBe([2]);
        (await LookAsync(50)).ShouldBe([2]);
        (await LookAsync(50)).ShouldBeEmpty();
        (await cluster.History.ReadAfterAsync("a", 0, 100, default)).Where(entry => entry.What.EndsWith("is slow", StringComparison.Ordinal))
            .Select(entry => $"{entry.What}: {entry.Why}").ShouldBe(["rank 1 on worker w2 is slow: 2.6 times the others' step time"]);
    }

    [Fact]
    public async Task A_generation_that_broke_is_formed_again_when_no_cause_comes()
    {
        await using var cluster = await TestCluster.StartAsync(_folder.Path);
        await using var one = await TestAgent.ConnectAsync(cluster, "w1");
        await using var two = await TestAgent.ConnectAsync(cluster, "w2");
        await cluster.SubmitAsync("a", min: 2, max: 2);
        await UntilAsync(() => one.Joined.Count == 1 && two.Joined.Count == 1);

        await one.ChangeAsync("a", member => member with { Condition = MemberCondition.Waiting, Broken = "lost rank 1" });

        var again = await cluster.UntilAsync("a", view => view.Generation == 2);
        (again.WorldSize, again.LastFailure!.Reason).ShouldBe((2, "lost rank 1"));
        await UntilAsync(() => one.Joined.Count == 2 && two.Joined.Count == 2);
        one.Started.Concat(two.Started).Count().ShouldBe(2);
    }

    [Fact]
    public async Task A_standstill_of_the_coordinator_costs_no_job_its_ranks()
    {
        var time = new SteppedTime();
        await using var cluster = await TestCluster.StartAsync(_folder.Path, configure: services => services.AddTime(time));
        var agent = await TestAgent.ConnectAsync(cluster, "w1");
        await cluster.SubmitAsync("a");
        await UntilAsync(() => agent.Joined.Count == 1);
        var held = agent.Held("a");

        // Not heard of for longer than its lease, because nobody listened.
        await agent.DisposeAsync();
        time.Step(TimeSpan.FromSeconds(30));
        await cluster.SubmitAsync("b");
        await cluster.UntilAsync("b", view => view.Reason == "waits for the cluster's workers to report");

        (await cluster.Job("a").Get(default))!.Phase.ShouldBe(JobPhase.Running);
        await using var heard = await TestAgent.ConnectAsync(cluster, "w1", groups: [held]);
        await heard.EndAsync("a", MemberCondition.Finished);
        (await cluster.UntilAsync("a", JobPhase.Succeeded)).Generation.ShouldBe(1);
    }

    [Fact]
    public async Task A_worker_that_was_forgotten_comes_back()
    {
        var time = new SteppedTime();
        await using var cluster = await TestCluster.StartAsync(_folder.Path, leaseSeconds: 0.5, configure: services => services.AddTime(time));
        var agent = await TestAgent.ConnectAsync(cluster, "w1");
        await agent.DisposeAsync();
        time.StepWallClock(TimeSpan.FromHours(2));
        await UntilAsync(async () => await cluster.Worker("w1").Get(default) is null);

        await using var back = await TestAgent.ConnectAsync(cluster, "w1");
        await cluster.SubmitAsync("a");

        await UntilAsync(() => back.Joined.Count == 1);
    }

    [Fact]
    public async Task A_submission_whose_grain_never_came_to_be_is_found()
    {
        await using var cluster = await TestCluster.StartAsync(_folder.Path);
        await cluster.Jobs.RecordSubmissionAsync("key", "sha", Some.Submission("a", min: 4, max: 4), default);

        (await cluster.UntilAsync("a", view => view.Reason.Length > 0)).Reason.ShouldBe("needs at least 4 slots; the cluster has 0");
    }

    private static Task UntilAsync(Func<bool> condition) => UntilAsync(() => Task.FromResult(condition()));

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!await condition())
        {
            patience.IsCancellationRequested.ShouldBeFalse("the agents were not told in time");
            await Task.Delay(10, CancellationToken.None);
        }
    }

    /// <summary>Counts the scheduler's passes: each begins with reading the workers' names.</summary>
    private sealed class PassCount(IRosterStore store) : IRosterStore
    {
        private int _begun;

        public int Begun => Volatile.Read(ref _begun);

        public static PassCount Of(IServiceCollection services)
        {
            var count = new PassCount((IRosterStore)services.Single(service => service.ServiceType == typeof(IRosterStore)).ImplementationInstance!);
            services.Replace(ServiceDescriptor.Singleton<IRosterStore>(count));
            return count;
        }

        public Task AddWorkerAsync(string name, CancellationToken cancellationToken) => store.AddWorkerAsync(name, cancellationToken);

        public Task RemoveWorkerAsync(string name, CancellationToken cancellationToken) => store.RemoveWorkerAsync(name, cancellationToken);

        public Task<IReadOnlyList<string>> WorkersAsync(CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _begun);
            return store.WorkersAsync(cancellationToken);
        }

        public Task AddCorpusAsync(string corpusId, CancellationToken cancellationToken) => store.AddCorpusAsync(corpusId, cancellationToken);

        public Task<IReadOnlyList<string>> CorporaAsync(CancellationToken cancellationToken) => store.CorporaAsync(cancellationToken);
    }
}
