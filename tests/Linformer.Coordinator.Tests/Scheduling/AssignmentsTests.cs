using System.Collections.Immutable;
using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Scheduling;
using Linformer.Coordinator.Workers;

namespace Linformer.Coordinator.Tests.Scheduling;

public class AssignmentsTests
{
    private static readonly ClusterTiming Timing = new() { StartedAt = Some.Noon.AddHours(-1) };
    private static readonly HashSet<string> None = [];

    [Fact]
    public void A_worker_gets_its_ranks_of_running_jobs()
    {
        var job = Running("w1", "w2", "w1");

        var group = Derive([job], Worker("w1")).Groups.ShouldHaveSingleItem();

        (group.JobId, group.Generation, group.WorldSize, group.Stop, group.CorpusFolder).ShouldBe((job.JobId, 1, 3, false, "cache/c0"));
        group.Ranks.ShouldBe([new Placement(0, "w1", 0), new Placement(2, "w1", 1)]);
        Derive([job with { Stopping = true }], Worker("w2")).Groups.ShouldHaveSingleItem().Stop.ShouldBeTrue();
        Derive([job], Worker("w3")).Groups.ShouldBeEmpty();
        Derive([job with { Phase = JobPhase.Preparing }], Worker("w1")).Groups.ShouldBeEmpty();
    }

    [Fact]
    public void A_worker_gets_its_leases()
    {
        var cluster = Cluster([], Worker("w1"));

        Assignments.Derive(cluster, cluster.Workers["w1"], [Lease("l1", "w1"), Lease("l2", "w2")], None)!.Leases.ShouldBe([Lease("l1", "w1")]);
    }

    [Fact]
    public void An_agent_that_connected_after_the_start_never_starts_the_ranks_a_second_time()
    {
        var job = Running("w1");
        var late = Worker("w1") with { ConnectedAt = Some.Noon.AddSeconds(1) };

        Derive([job], late).Groups.ShouldBeEmpty();
        Observe(job, late).ShouldBe(GroupCondition.Lost);
        // Unless it says that it has them, after a restart of the coordinator.
        var holds = late with { Status = new WorkerStatus { Groups = [Some.Report(job)] } };
        Derive([job], holds).Groups.ShouldHaveSingleItem();
        Observe(job, holds).ShouldBe(GroupCondition.Alive);
    }

    [Fact]
    public void What_cannot_be_read_stays_as_it_is()
    {
        var job = Running("w1");
        var worker = Worker("w1") with { Assignment = Derive([job], Worker("w1")) with { Revision = 5, Leases = [Lease("l1", "w1")] } };
        var cluster = Cluster([], worker) with { UnreadableJobs = new HashSet<string> { job.JobId } };

        var kept = Assignments.Derive(cluster, worker, [], new HashSet<string> { "c0" })!;

        Assignments.Same(kept, worker.Assignment).ShouldBeTrue();
        // After a restart, what was assigned is not known either: the worker is left alone.
        var restarted = worker with { Assignment = new(0, [], []), Status = new WorkerStatus { Groups = [Some.Report(job)] } };
        Assignments.Derive(cluster, restarted, [], None).ShouldBeNull();
    }

    [Fact]
    public void Assignments_are_the_same_whatever_their_revision_and_arrays()
    {
        var job = Running("w1");
        var one = Derive([job], Worker("w1"));

        Assignments.Same(one, Derive([job], Worker("w1")) with { Revision = 7 }).ShouldBeTrue();
        Assignments.Same(one, Derive([job with { Stopping = true }], Worker("w1"))).ShouldBeFalse();
        Assignments.Same(one, Derive([job with { Placements = Some.Slots("w1", "w1") }], Worker("w1"))).ShouldBeFalse();
        Assignments.Same(one, one with { Leases = [Lease("l1", "w1")] }).ShouldBeFalse();
    }

    [Fact]
    public void Ranks_are_pending_until_the_worker_has_taken_the_assignment_up_and_lost_if_they_are_missing_then()
    {
        var job = Running("w1");
        var assigned = Worker("w1") with { Assignment = Derive([job], Worker("w1")) with { Revision = 5 } };

        Observe(job, Worker("w1")).ShouldBe(GroupCondition.Pending);
        Observe(job, assigned with { Status = new WorkerStatus { AssignmentRevision = 4 } }).ShouldBe(GroupCondition.Pending);
        Observe(job, assigned with { Status = new WorkerStatus { AssignmentRevision = 5 } }).ShouldBe(GroupCondition.Lost);
        Observe(job, assigned with { Status = new WorkerStatus { AssignmentRevision = 5, Groups = [Some.Report(job)] } }).ShouldBe(GroupCondition.Alive);
    }

    [Fact]
    public void A_worker_that_is_not_heard_of_is_lost_but_how_its_ranks_ended_counts()
    {
        var job = Running("w1");
        var dead = Worker("w1") with { Alive = false, Status = new WorkerStatus { Groups = [Some.Report(job)] } };

        Observe(job, dead).ShouldBe(GroupCondition.Lost);
        Observe(job, dead with { Status = new WorkerStatus { Groups = [Some.Report(job, GroupCondition.Finished)] } }).ShouldBe(GroupCondition.Finished);
        Observe(job, Worker("other")).ShouldBe(GroupCondition.Lost);
    }

    [Fact]
    public void After_a_restart_workers_have_a_lease_to_come_back()
    {
        var job = Running("w1");
        var absent = Worker("w1") with { Alive = false, Reported = false };
        var started = Cluster([job], absent) with { InGrace = true };

        Assignments.Observe(started, job).Single().Condition.ShouldBe(GroupCondition.Pending);
        started.WorkersAreBack.ShouldBeFalse();
        Assignments.Takers(started, "c0", []).Single().Capacity.ShouldBe(0);
        var later = started with { InGrace = false };
        Assignments.Observe(later, job).Single().Condition.ShouldBe(GroupCondition.Lost);
        later.WorkersAreBack.ShouldBeTrue();
        Assignments.Takers(later, "c0", []).ShouldBeEmpty();
        // One that has left on its own is not waited for.
        var left = Cluster([job], absent with { Left = true }) with { InGrace = true };
        Assignments.Observe(left, job).Single().Condition.ShouldBe(GroupCondition.Lost);
        left.WorkersAreBack.ShouldBeTrue();
    }

    [Fact]
    public void After_a_standstill_of_the_coordinator_workers_that_it_did_not_hear_have_a_lease_too()
    {
        var job = Running("w1");
        var unheard = Worker("w1") with { Alive = false, Status = new WorkerStatus { Groups = [Some.Report(job)] } };
        var after = Cluster([job], unheard) with { InGrace = true };

        Assignments.Observe(after, job).Single().Condition.ShouldBe(GroupCondition.Pending);
        after.WorkersAreBack.ShouldBeFalse();
        Assignments.Takers(after, "c0", []).Single().Capacity.ShouldBe(0);
        Observe(job, unheard).ShouldBe(GroupCondition.Lost);
    }

    [Fact]
    public void A_worker_that_came_back_without_a_jobs_slot_has_lost_it_before_its_ranks_are_assigned()
    {
        var running = Running("w1", "w1");
        var preparing = running with { Phase = JobPhase.Preparing, GenerationStartedAt = null };
        var smaller = Worker("w1") with { Identity = Some.Identity("w1", slots: 1) };

        foreach (var job in (JobView[])[preparing, running])
        {
            Observe(job, Worker("w1")).ShouldBe(GroupCondition.Pending);
            var seen = Assignments.Observe(Cluster([job], smaller), job).Single();
            (seen.Condition, seen.Why).ShouldBe((GroupCondition.Lost, "worker w1 came back without the slots that the job had on it"));
            Observe(job with { Device = "cuda" }, Worker("w1")).ShouldBe(GroupCondition.Lost);
        }
        Derive([running], smaller).Groups.ShouldBeEmpty();
    }

    [Fact]
    public void Slots_are_counted_by_device()
    {
        var mixed = Worker("w1") with { Identity = Some.Identity("w1") with { Slots = [new(0, "cpu"), new(1, "cuda"), new(2, "cuda")] } };
        var job = Running("w1") with { Phase = JobPhase.Queued, Placements = [], Device = "cuda" };

        Assignments.Capacities(Cluster([], mixed)).Select(worker => $"{worker.Device}: {string.Join(',', worker.Free)} of {worker.Total}")
            .ShouldBe(["cpu: 0 of 1", "cuda: 1,2 of 2"]);
        Assignments.Waiting(Cluster([job])).Single().Device.ShouldBe("cuda");
    }

    [Fact]
    public void Ranks_on_a_worker_that_leaves_are_to_stop_and_those_never_started_count_as_stopped()
    {
        var job = Running("w1");

        Observe(job, Worker("w1") with { Status = new WorkerStatus { Draining = true, Groups = [Some.Report(job)] } }).ShouldBe(GroupCondition.Leaving);
        Observe(job, Worker("w1") with { Status = new WorkerStatus { Draining = true } }).ShouldBe(GroupCondition.Stopped);
        var stopped = Worker("w1") with { Status = new WorkerStatus { Draining = true, Groups = [Some.Report(job, GroupCondition.Stopped)] } };
        Assignments.Observe(Cluster([job], stopped), job).Single().Why.ShouldBe("worker w1 leaves");
        Observe(job with { Phase = JobPhase.Preparing }, Worker("w1") with { Status = new WorkerStatus { Draining = true } }).ShouldBe(GroupCondition.Leaving);
    }

    [Fact]
    public void Lost_peers_wait_for_their_cause()
    {
        ObservedGroup Group(string worker, GroupCondition condition, params FailedRank[] failures) => new(worker, condition, [.. failures], null);
        var peerLost = Group("w1", GroupCondition.Failed, Some.Failure(peerLost: true));

        Assignments.AwaitsCause([peerLost, Group("w2", GroupCondition.Alive)]).ShouldBeTrue();
        Assignments.AwaitsCause([peerLost, Group("w2", GroupCondition.Lost)]).ShouldBeFalse();
        Assignments.AwaitsCause([peerLost, Group("w2", GroupCondition.Failed, Some.Failure()), Group("w3", GroupCondition.Alive)]).ShouldBeFalse();
        Assignments.AwaitsCause([peerLost, peerLost with { Worker = "w2" }]).ShouldBeFalse();
        Assignments.AwaitsCause([Group("w1", GroupCondition.Failed), Group("w2", GroupCondition.Alive)]).ShouldBeFalse();
        Assignments.AwaitsCause([Group("w1", GroupCondition.Alive)]).ShouldBeFalse();
    }

    [Fact]
    public void Slots_of_preparing_and_running_jobs_are_taken_and_absent_or_leaving_workers_have_none()
    {
        var job = Running("w1") with { Phase = JobPhase.Preparing };

        Capacities([job], Worker("w1"), Worker("w2")).ShouldBe("w1: 1 of 2 | w2: 0,1 of 2");
        Capacities([], Worker("w1") with { Alive = false }, Worker("w2") with { Reported = false }).ShouldBe("");
        Capacities([], Worker("w1") with { Status = new WorkerStatus { Draining = true } }).ShouldBe("");
    }

    [Fact]
    public void A_worker_whose_ranks_should_have_ended_takes_nothing_until_they_have()
    {
        var cancelled = Running("w1");
        var worker = Worker("w1") with { Status = new WorkerStatus { Groups = [Some.Report(cancelled)] } };

        var clearing = Assignments.Capacities(Cluster([], worker)).Single();
        (clearing.Free.Length, clearing.Clearing, clearing.Total).ShouldBe((0, 2, 2));
        // The job itself is not placed elsewhere meanwhile.
        var queued = cancelled with { Phase = JobPhase.Queued, Placements = [] };
        Assignments.Waiting(Cluster([queued], worker, Worker("w2"))).Single().Holds.ShouldBe("waits until its ranks of generation 1 have ended");
        // Nobody waits for ranks that hang, and their slots do not count.
        var hanging = Cluster([queued], worker) with { HangingWorkers = new HashSet<string> { "w1" } };
        Assignments.Capacities(hanging).Single().ShouldBe(new WorkerCapacity("w1", [], 0, 0), new IgnoringArrays());
        Assignments.Waiting(hanging).Single().Holds.ShouldBeEmpty();
        var ended = worker with { Status = new WorkerStatus { Groups = [Some.Report(cancelled, GroupCondition.Failed)] } };
        Capacities([queued], ended).ShouldBe("w1: 0,1 of 2");
    }

    [Fact]
    public void Leases_go_to_slots_without_running_ranks()
    {
        var cluster = Cluster([Running("w1")], Worker("w1"), Worker("w2"), Worker("w3") with { Status = new WorkerStatus { Draining = true } });

        Assignments.Takers(cluster, "c1", [Lease("l1", "w2")]).Select(taker => (taker.Worker, taker.Capacity)).ShouldBe([("w1", 1), ("w2", 1), ("w3", 0)]);
    }

    [Fact]
    public void A_lease_is_missing_when_the_assignment_was_taken_up_without_it()
    {
        var worker = Worker("w1") with { Assignment = new WorkerAssignment(5, [], [Lease("l1", "w1"), Lease("l2", "w1")]) };
        var reported = new ReportedLease { LeaseId = "l2", CorpusId = "c0", Condition = LeaseCondition.Working };
        LeaseTaker Taker(long revision) => Assignments.Takers(
            Cluster([], worker with { Status = new WorkerStatus { AssignmentRevision = revision, Leases = [reported] } }), "c0", []).Single();

        Taker(4).Missing.ShouldBeEmpty();
        Taker(5).Missing.ShouldBe(["l1"]);
        Taker(5).Leases.ShouldBe([reported]);
    }

    private static JobView Running(params string[] workers) => new()
    {
        JobId = "small-aaaaa",
        Name = "small",
        Phase = JobPhase.Running,
        JobJson = "{}",
        Submitter = "person:ada",
        SubmittedAt = Some.Noon,
        RanksMin = 1,
        RanksMax = 3,
        Generation = 1,
        GenerationStartedAt = Some.Noon,
        Placements = Some.Slots(workers),
        Corpus = Some.Corpus,
    };

    private static WorkerView Worker(string name) => new()
    {
        Identity = Some.Identity(name),
        Alive = true,
        Reported = true,
        ConnectedAt = Some.Noon.AddMinutes(-1),
        LastSeen = Some.Noon,
    };

    private static AssignedLease Lease(string id, string worker) => new(id, "c0", worker, LeaseWork.Shards, "{}", "f", "cache/f", 0, 1);

    private static ClusterView Cluster(ImmutableArray<JobView> jobs, params WorkerView[] workers) => new()
    {
        Jobs = jobs.ToDictionary(job => job.JobId),
        Workers = workers.ToDictionary(worker => worker.Identity.Name),
        Timing = Timing,
        Now = Some.Noon,
    };

    private static WorkerAssignment Derive(ImmutableArray<JobView> jobs, WorkerView worker) =>
        Assignments.Derive(Cluster(jobs, worker), worker, [], None).ShouldNotBeNull();

    private static GroupCondition Observe(JobView job, WorkerView worker) => Assignments.Observe(Cluster([job], worker), job).ShouldHaveSingleItem().Condition;

    private static string Capacities(ImmutableArray<JobView> jobs, params WorkerView[] workers) => string.Join(" | ", Assignments
        .Capacities(Cluster(jobs, workers))
        .Select(worker => $"{worker.Worker}: {string.Join(',', worker.Free)} of {worker.Total}"));

    private sealed class IgnoringArrays : IEqualityComparer<WorkerCapacity>
    {
        public bool Equals(WorkerCapacity? x, WorkerCapacity? y) => x! with { Free = [] } == y! with { Free = [] };

        public int GetHashCode(WorkerCapacity obj) => obj.Worker.GetHashCode(StringComparison.Ordinal);
    }
}
