using System.Collections.Immutable;
using Linformer.Coordinator.Corpora;

namespace Linformer.Coordinator.Tests.Corpora;

public class ShardLeasingTests
{
    private static readonly CorpusTotals Totals = new(3, 1000, 261, 5);
    private static readonly PlannedCorpus Plan = new("fingerprint", "cache/f", 5, 261, Existing: null);

    [Fact]
    public void A_round_plans_makes_shards_and_writes_the_manifest()
    {
        var state = Advance(Ensured(), Idle("w1"));
        var plan = state.Leases.ShouldHaveSingleItem().Lease;
        (plan.Work, plan.Worker, plan.SettingsJson).ShouldBe((LeaseWork.Plan, "w1", "{}"));

        state = Advance(state, Reports("w1", 2, Done(plan) with { Plan = Plan }));
        state.Stage.ShouldBe(CorpusStage.Sharding);
        var made = 0;
        while (state.Stage == CorpusStage.Sharding)
        {
            var leases = state.Leases.Select(granted => granted.Lease).ToList();
            leases.ShouldAllBe(lease => lease.Fingerprint == "fingerprint" && lease.Folder == "cache/f");
            made += leases.Sum(lease => lease.ShardCount);
            state = Advance(state, Reports("w1", 2, [.. leases.Select(Done)]));
            ShardLeasing.View(state, null)!.ShardsDone.ShouldBe(made);
        }
        made.ShouldBe(5);
        var manifest = state.Leases.ShouldHaveSingleItem().Lease;
        manifest.Work.ShouldBe(LeaseWork.Manifest);

        state = Advance(state, Reports("w1", 2, Done(manifest) with { Totals = Totals }));

        var view = ShardLeasing.View(state, null)!;
        (view.Stage, view.Totals, view.For("job/1")).ShouldBe((CorpusStage.Ready, Totals, CorpusOutcome.Ready));
    }

    [Fact]
    public void A_corpus_that_was_made_before_is_ready_after_planning()
    {
        var state = Advance(Ensured(), Idle("w1"));

        state = Advance(state, Reports("w1", 1, Done(state.Leases[0].Lease) with { Plan = Plan with { Existing = Totals } }));

        ShardLeasing.View(state, null)!.For("job/1").ShouldBe(CorpusOutcome.Ready);
        state.Leases.ShouldBeEmpty();
    }

    [Fact]
    public void A_round_that_has_not_read_the_files_is_shared()
    {
        var state = Ensure(Ensured(), "other/1");

        state.Asks.Select(ask => ask.Round).ShouldBe([1, 1]);
    }

    [Fact]
    public void One_who_asks_while_files_are_read_gets_the_next_round()
    {
        var state = Ensure(Advance(Ensured(), Idle("w1")), "other/1");
        state.Round.ShouldBe(1);

        state = Advance(state, Reports("w1", 1, Done(state.Leases[0].Lease) with { Plan = Plan with { Existing = Totals } }));

        // The first has its corpus although the second's round has begun.
        var view = ShardLeasing.View(state, null)!;
        (view.Round, view.Stage).ShouldBe((2, CorpusStage.Planning));
        (view.For("job/1"), view.For("other/1"), view.For("nobody/1")).ShouldBe((CorpusOutcome.Ready, CorpusOutcome.UnderWay, CorpusOutcome.NotAsked));
    }

    [Fact]
    public void Asking_again_changes_nothing_and_asking_anew_reads_the_files_again()
    {
        var ready = Ready();

        Ensure(ready, "job/1").ShouldBeSameAs(ready);
        var again = ShardLeasing.View(Ensure(ready, "job/2"), null)!;
        (again.Round, again.Stage).ShouldBe((2, CorpusStage.Planning));
        (again.For("job/1"), again.For("job/2")).ShouldBe((CorpusOutcome.Ready, CorpusOutcome.UnderWay));
    }

    [Fact]
    public void The_lease_of_a_lost_worker_goes_to_another_with_a_new_id()
    {
        var state = Advance(Ensured(), Idle("w1"));
        var first = state.Leases[0].Lease;

        state = Advance(state, Idle("w2"));

        var second = state.Leases.ShouldHaveSingleItem().Lease;
        second.Worker.ShouldBe("w2");
        second.LeaseId.ShouldNotBe(first.LeaseId);
        // What the lost one says later is of no interest.
        Advance(state, Reports("w1", 0, Done(first) with { Plan = Plan }), Idle("w2")).ShouldBeSameAs(state);
    }

    [Fact]
    public void A_lease_that_its_worker_does_not_have_goes_to_another()
    {
        var state = Advance(Ensured(), Idle("w1"));

        state = Advance(state, Idle("w1") with { Capacity = 0, Missing = [state.Leases[0].Lease.LeaseId] }, Idle("w2"));

        state.Leases.ShouldHaveSingleItem().Lease.Worker.ShouldBe("w2");
    }

    [Fact]
    public void A_permanent_failure_fails_the_corpus()
    {
        var state = Advance(Ensured(), Idle("w1"));

        state = Advance(state, Reports("w1", 1, Failed(state.Leases[0].Lease) with { Permanent = true }));

        var view = ShardLeasing.View(state, null)!;
        (view.Stage, view.Error, view.For("job/1")).ShouldBe((CorpusStage.Failed, "disk full", CorpusOutcome.Failed));
    }

    [Fact]
    public void Another_failure_is_tried_again_after_1_5_and_30_seconds_elsewhere_if_that_is_possible()
    {
        var state = Advance(Ensured(), Idle("w1"));
        var tried = new List<string>();
        var now = Some.Noon;
        foreach (var delay in (int[])[1, 5, 30])
        {
            var lease = state.Leases.ShouldHaveSingleItem().Lease;
            tried.Add(lease.Worker);
            state = ShardLeasing.Advance(state, [Reports("w1", 1, Failed(lease)), Reports("w2", 1, Failed(lease))], now);
            now += TimeSpan.FromSeconds(delay);
            ShardLeasing.Advance(state, [Idle("w1"), Idle("w2")], now - TimeSpan.FromMilliseconds(1)).Leases.ShouldBeEmpty();
            state = ShardLeasing.Advance(state, [Idle("w1"), Idle("w2")], now);
        }
        var last = state.Leases.ShouldHaveSingleItem().Lease;
        tried.Add(last.Worker);
        state = ShardLeasing.Advance(state, [Reports(last.Worker, 1, Failed(last))], now);

        tried.ShouldBe(["w1", "w2", "w1", "w2"]);
        state.Error.ShouldBe("disk full (4 tries, the last on worker w2)");
        ShardLeasing.View(Ensure(state, "job/2"), null)!.Stage.ShouldBe(CorpusStage.Planning);
    }

    [Fact]
    public void Shards_that_wait_for_their_next_try_keep_no_other_waiting()
    {
        var state = Advance(Ensured(), Idle("w1"));
        state = Advance(state, Reports("w1", 1, Done(state.Leases[0].Lease) with { Plan = Plan }));
        var failed = state.Leases.ShouldHaveSingleItem().Lease;

        state = Advance(state, Reports("w1", 1, Failed(failed)));

        var next = state.Leases.ShouldHaveSingleItem().Lease;
        next.FirstShard.ShouldBe(failed.FirstShard + failed.ShardCount);
        CheckPartition(state, [], Plan);
    }

    [Fact]
    public void Done_without_a_result_is_a_failure()
    {
        var state = Advance(Ensured(), Idle("w1"));
        for (var i = 0; i < ShardLeasing.Tries; i++)
        {
            var now = Some.Noon.AddMinutes(i);
            state = ShardLeasing.Advance(state, [Idle("w1")], now);
            state = ShardLeasing.Advance(state, [Reports("w1", 1, Done(state.Leases[0].Lease))], now);
        }

        state.Stage.ShouldBe(CorpusStage.Failed);
        state.Error.ShouldStartWith("worker w1 says it is done without a result");
    }

    [Fact]
    public void Nothing_new_changes_nothing()
    {
        var state = Advance(Ensured(), Idle("w1"));

        Advance(state, Reports("w1", 2, Done(state.Leases[0].Lease) with { Condition = LeaseCondition.Working })).ShouldBeSameAs(state);
    }

    [Fact]
    public void A_lease_without_progress_is_taken_away_and_its_late_result_is_of_no_interest()
    {
        var state = Advance(Ensured(), Idle("w1"));
        var stuck = state.Leases[0].Lease;
        var watch = new LeaseWatch(TimeSpan.FromSeconds(20));
        var second = 1000;
        CorpusState Look(params ImmutableArray<LeaseTaker> workers) =>
            ShardLeasing.Advance(state, workers, Some.Noon.AddSeconds(second), watch = watch.Look(state, workers, TimeSpan.FromSeconds(second)));
        LeaseTaker Working(long done) => Reports("w1", 1, Done(stuck) with { Condition = LeaseCondition.Working, Progress = new("reading", done, 100, "bytes") });

        // As long as it goes on, however slowly, it keeps its lease; a look at which it is not heard of changes nothing.
        for (; second < 1100; second += 5)
            Look(second % 2 == 0 ? Working(second / 10) : Idle("w1"), Idle("w2")).ShouldBeSameAs(state);
        second += 5;
        Look(Working(200), Idle("w2")).ShouldBeSameAs(state);
        second += 10;
        Look(Working(200), Idle("w2")).ShouldBeSameAs(state);
        second += 10;
        state = Look(Working(200), Idle("w2"));

        state.Leases.ShouldBeEmpty();
        state.Waiting.ShouldHaveSingleItem().FailedOn.ShouldBe("w1");
        second++;
        state = Look(Reports("w1", 5, Done(stuck) with { Plan = Plan }), Idle("w2"));
        var next = state.Leases.ShouldHaveSingleItem().Lease;
        (next.Worker, next.Work).ShouldBe(("w2", LeaseWork.Plan));
        state.Plan.ShouldBeNull();
        Look(Reports("w1", 5, Failed(stuck) with { Permanent = true }), Idle("w2")).ShouldBeSameAs(state);
    }

    [Fact]
    public void What_is_stuck_wherever_it_is_tried_fails_with_what_it_was()
    {
        var state = Ensured();
        var watch = new LeaseWatch(TimeSpan.FromMinutes(10));
        for (var second = 0; state.UnderWay; second += 10)
        {
            second.ShouldBeLessThan(3000);
            ImmutableArray<LeaseTaker> workers = [Idle("w1"), Idle("w2")];
            watch = watch.Look(state, workers, TimeSpan.FromSeconds(second));
            state = ShardLeasing.Advance(state, workers, Some.Noon.AddSeconds(second), watch);
        }

        state.Error.ShouldBe("planning made no progress for 10 min (4 tries, the last on worker w2)");
    }

    [Fact]
    public void A_coordinator_that_stood_still_takes_nothing_away()
    {
        var state = Advance(Ensured(), Idle("w1"));
        var watch = new LeaseWatch(TimeSpan.FromMinutes(10)).Look(state, [Idle("w1")], TimeSpan.FromSeconds(5));

        watch.Look(state, [Idle("w1")], TimeSpan.FromHours(3)).IsStuck(state.Leases[0].Lease.LeaseId).ShouldBeFalse();
    }

    [Fact]
    public void However_many_hang_the_others_make_every_shard_once() => Some.ForAllSeeds(random =>
    {
        var plan = Plan with { Shards = random.Next(1, 60) };
        var patience = TimeSpan.FromSeconds(random.Next(20, 60));
        var (state, watch, now) = (Ensured(), new LeaseWatch(patience), TimeSpan.FromHours(5));
        var made = new List<int>();
        var stands = new Dictionary<string, (long Done, TimeSpan Since, bool Hangs)>(StringComparer.Ordinal);
        var hung = 0;
        while (state.UnderWay)
        {
            now += TimeSpan.FromSeconds(random.Next(1, 10));
            now.ShouldBeLessThan(TimeSpan.FromHours(20));
            var takers = new List<LeaseTaker>();
            foreach (var worker in (string[])["w1", "w2", "w3"])
            {
                var reports = new List<ReportedLease>();
                foreach (var lease in state.Leases.Select(granted => granted.Lease).Where(lease => lease.Worker == worker))
                {
                    // Few enough that no work hangs at each of its tries.
                    var stand = stands.TryGetValue(lease.LeaseId, out var known) ? known : (0, now, hung < 3 && random.Next(4) == 0);
                    if (!known.Hangs && stand.Hangs)
                        hung++;
                    // Slow, but never so slow that it looks as if it hung: looks are less than 10 s apart.
                    if (!stand.Hangs && (random.Next(3) > 0 || now - stand.Since >= patience / 2))
                        stand = (stand.Done + 1, now, false);
                    stands[lease.LeaseId] = stand;
                    reports.Add(stand.Done < 5
                        ? Done(lease) with { Condition = LeaseCondition.Working, Progress = new("reading", stand.Done, 5, "bytes") }
                        : Result(lease, plan));
                    if (stand.Done == 5)
                        made.AddRange(Enumerable.Range(lease.FirstShard, lease.ShardCount));
                }
                // Late news of leases that were taken away.
                reports.AddRange(stands.Keys.Where(id => reports.All(report => report.LeaseId != id) && id.Length % 2 == 0)
                    .Select(id => new ReportedLease { LeaseId = id, CorpusId = "c0", Condition = LeaseCondition.Done, Plan = plan, Totals = Totals }));
                takers.Add(new LeaseTaker(worker, 2, [.. reports], []));
            }
            watch = watch.Look(state, [.. takers], now);
            var next = ShardLeasing.Advance(state, [.. takers], Some.Noon + now, watch);
            foreach (var lease in state.Leases.Select(granted => granted.Lease))
            {
                var (kept, stand) = (next.Leases.Any(granted => granted.Lease.LeaseId == lease.LeaseId), stands[lease.LeaseId]);
                if (!kept && stand.Done < 5)
                    (now - stand.Since).ShouldBeGreaterThanOrEqualTo(patience);
                if (kept)
                    (now - stand.Since).ShouldBeLessThan(patience);
            }
            state = next;
            CheckPartition(state, made, plan);
        }

        (state.Stage, state.Error).ShouldBe((CorpusStage.Ready, ""));
        made.Count(shard => shard >= 0).ShouldBe(plan.Shards);
    });

    [Fact]
    public void Every_shard_is_made_and_counted_once_whoever_is_lost_on_the_way() => Some.ForAllSeeds(random =>
    {
        var plan = Plan with { Shards = random.Next(0, 120) };
        var state = Ensured();
        var made = new List<int>();
        var agents = Enumerable.Range(1, random.Next(1, 5)).ToDictionary(i => $"w{i}", _ => random.Next(1, 4));
        var past = new List<AssignedLease>();
        for (var round = 0; state.UnderWay; round++)
        {
            round.ShouldBeLessThan(5000);
            CheckPartition(state, made, plan);
            var takers = new List<LeaseTaker>();
            foreach (var (worker, capacity) in agents)
            {
                // One in ten is lost for this round; the first never, so that somebody is there.
                if (worker != "w1" && random.Next(10) == 0)
                    continue;
                var mine = state.Leases.Select(granted => granted.Lease).Where(lease => lease.Worker == worker).ToList();
                var missing = mine.Where(_ => random.Next(15) == 0).Select(lease => lease.LeaseId).ToImmutableArray();
                var done = mine.Where(lease => random.Next(2) == 0 && !missing.Contains(lease.LeaseId)).ToList();
                made.AddRange(done.SelectMany(lease => Enumerable.Range(lease.FirstShard, lease.ShardCount)));
                // And reports of leases that are no longer theirs.
                var late = past.Where(lease => random.Next(20) == 0 && state.Leases.All(granted => granted.Lease.LeaseId != lease.LeaseId));
                takers.Add(new LeaseTaker(worker, capacity, [.. done.Concat(late).Select(lease => Result(lease, plan))], missing));
            }
            past.AddRange(state.Leases.Select(granted => granted.Lease));
            state = Advance(state, [.. takers]);
            foreach (var held in state.Leases.GroupBy(granted => granted.Lease.Worker))
                held.Count().ShouldBeLessThanOrEqualTo(agents[held.Key]);
        }

        state.Stage.ShouldBe(CorpusStage.Ready);
        made.Order().ShouldBe(Enumerable.Range(0, plan.Shards));
        past.Select(lease => lease.LeaseId).Distinct().Count().ShouldBe((int)state.Grants);
    });

    private static void CheckPartition(CorpusState state, List<int> made, PlannedCorpus plan)
    {
        if (state.Stage != CorpusStage.Sharding)
            return;
        var open = state.Waiting.SelectMany(work => Enumerable.Range(work.FirstShard, work.ShardCount))
            .Concat(state.Leases.SelectMany(granted => Enumerable.Range(granted.Lease.FirstShard, granted.Lease.ShardCount)));
        open.Concat(made).Order().ShouldBe(Enumerable.Range(0, plan.Shards));
    }

    private static CorpusState Ensured() => Ensure(new CorpusState(), "job/1");

    private static CorpusState Ready()
    {
        var state = Advance(Ensured(), Idle("w1"));
        return Advance(state, Reports("w1", 1, Done(state.Leases[0].Lease) with { Plan = Plan with { Existing = Totals } }));
    }

    private static CorpusState Ensure(CorpusState state, string asker) => ShardLeasing.Ensure(state, "c0", asker, "{}", Some.Noon);

    private static CorpusState Advance(CorpusState state, params ImmutableArray<LeaseTaker> workers) => ShardLeasing.Advance(state, workers, Some.Noon);

    private static LeaseTaker Idle(string worker) => new(worker, 1, [], []);

    private static LeaseTaker Reports(string worker, int capacity, params ImmutableArray<ReportedLease> leases) => new(worker, capacity, leases, []);

    private static ReportedLease Done(AssignedLease lease) =>
        new() { LeaseId = lease.LeaseId, CorpusId = lease.CorpusId, Condition = LeaseCondition.Done };

    private static ReportedLease Failed(AssignedLease lease) => Done(lease) with { Condition = LeaseCondition.Failed, Error = "disk full" };

    private static ReportedLease Result(AssignedLease lease, PlannedCorpus plan) => lease.Work switch
    {
        LeaseWork.Plan => Done(lease) with { Plan = plan },
        LeaseWork.Manifest => Done(lease) with { Totals = Totals },
        _ => Done(lease),
    };
}
