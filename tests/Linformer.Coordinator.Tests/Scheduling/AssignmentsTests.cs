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
    public void A_worker_gets_its_members_of_running_jobs_with_the_whole_plan()
    {
        var job = Running("w1", "w2", "w1");

        var group = Derive([job], Worker("w1")).Groups.ShouldHaveSingleItem();

        (group.JobId, group.Stop, group.CorpusFolder).ShouldBe((job.JobId, false, "cache/c0"));
        group.Members.ShouldBe([new Placement(1, "w1", 0, Some.Noon), new Placement(3, "w1", 1, Some.Noon)]);
        group.Plan.ShouldBe(job.Plan);
        Derive([job], Worker("w3")).Groups.ShouldBeEmpty();
        Derive([job with { Phase = JobPhase.Preparing }], Worker("w1")).Groups.ShouldBeEmpty();
        Derive([job with { Plan = null }], Worker("w1")).Groups.ShouldHaveSingleItem().Plan.ShouldBeNull();
    }

    [Fact]
    public void Members_are_told_to_stop_only_while_all_ranks_of_the_generation_are_there()
    {
        var stopping = Running("w1", "w2") with { Stopping = true };

        Derive([stopping], Worker("w2")).Groups.ShouldHaveSingleItem().Stop.ShouldBeTrue();
        // A survivor that holds state must not end before it is in a generation that writes a checkpoint.
        Derive([stopping with { Placements = Some.Members("w1") }], Worker("w1")).Groups.ShouldHaveSingleItem().Stop.ShouldBeFalse();
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
        Observe(job, late).ShouldBe(MemberCondition.Lost);
        // Unless it says that it has them, after a restart of the coordinator.
        var holds = late with { Status = new WorkerStatus { Groups = [Some.Report(job)] } };
        Derive([job], holds).Groups.ShouldHaveSingleItem();
        Observe(job, holds).ShouldBe(MemberCondition.Training);
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
        Assignments.Same(one, Derive([job with { Placements = Some.Members("w1", "w1") }], Worker("w1"))).ShouldBeFalse();
        Assignments.Same(one, one with { Leases = [Lease("l1", "w1")] }).ShouldBeFalse();
    }

    [Fact]
    public void A_member_is_assigned_until_the_worker_has_taken_it_up_and_lost_if_it_is_missing_then()
    {
        var job = Running("w1");
        var assigned = Worker("w1") with { Assignment = Derive([job], Worker("w1")) with { Revision = 5 } };

        Observe(job, Worker("w1")).ShouldBe(MemberCondition.Assigned);
        Observe(job, assigned with { Status = new WorkerStatus { AssignmentRevision = 4 } }).ShouldBe(MemberCondition.Assigned);
        Observe(job, assigned with { Status = new WorkerStatus { AssignmentRevision = 5 } }).ShouldBe(MemberCondition.Lost);
        var reported = assigned with { Status = new WorkerStatus { AssignmentRevision = 5, Groups = [Some.Report(job, MemberCondition.Joining)] } };
        Observe(job, reported).ShouldBe(MemberCondition.Joining);
    }

    [Fact]
    public void A_worker_that_is_not_heard_of_is_lost_but_how_its_ranks_ended_counts()
    {
        var job = Running("w1");
        var dead = Worker("w1") with { Alive = false, Status = new WorkerStatus { Groups = [Some.Report(job)] } };

        Observe(job, dead).ShouldBe(MemberCondition.Lost);
        Observe(job, dead with { Status = new WorkerStatus { Groups = [Some.Report(job, MemberCondition.Finished)] } }).ShouldBe(MemberCondition.Finished);
        Observe(job, Worker("other")).ShouldBe(MemberCondition.Lost);
    }

    [Fact]
    public void After_a_restart_workers_have_a_lease_to_come_back()
    {
        var job = Running("w1");
        var absent = Worker("w1") with { Alive = false, Reported = false };
        var started = Cluster([job], absent) with { InGrace = true };

        Assignments.Observe(started, job).Single().Condition.ShouldBe(MemberCondition.Absent);
        started.WorkersAreBack.ShouldBeFalse();
        Assignments.Takers(started, "c0", []).Single().Capacity.ShouldBe(0);
        var later = started with { InGrace = false };
        Assignments.Observe(later, job).Single().Condition.ShouldBe(MemberCondition.Lost);
        later.WorkersAreBack.ShouldBeTrue();
        Assignments.Takers(later, "c0", []).ShouldBeEmpty();
        // One that has left on its own is not waited for.
        var left = Cluster([job], absent with { Left = true }) with { InGrace = true };
        Assignments.Observe(left, job).Single().Condition.ShouldBe(MemberCondition.Lost);
        left.WorkersAreBack.ShouldBeTrue();
    }

    [Fact]
    public void After_a_standstill_of_the_coordinator_workers_that_it_did_not_hear_have_a_lease_too()
    {
        var job = Running("w1");
        var unheard = Worker("w1") with { Alive = false, Status = new WorkerStatus { Groups = [Some.Report(job)] } };
        var after = Cluster([job], unheard) with { InGrace = true };

        Assignments.Observe(after, job).Single().Condition.ShouldBe(MemberCondition.Absent);
        after.WorkersAreBack.ShouldBeFalse();
        Assignments.Takers(after, "c0", []).Single().Capacity.ShouldBe(0);
        Observe(job, unheard).ShouldBe(MemberCondition.Lost);
    }

    [Fact]
    public void A_worker_that_came_back_without_a_jobs_slot_has_lost_it_before_its_ranks_are_assigned()
    {
        var running = Running("w1", "w1");
        var preparing = running with { Phase = JobPhase.Preparing };
        var smaller = Worker("w1") with { Identity = Some.Identity("w1", slots: 1) };

        foreach (var job in (JobView[])[preparing, running])
        {
            Conditions(job, Worker("w1")).ShouldBe([MemberCondition.Assigned, MemberCondition.Assigned]);
            Conditions(job, smaller).ShouldBe([MemberCondition.Assigned, MemberCondition.Lost]);
            Assignments.Observe(Cluster([job], smaller), job)[1].Why.ShouldBe("worker w1 came back without the slots that the job had on it");
            Conditions(job with { Device = "cuda" }, Worker("w1")).ShouldBe([MemberCondition.Lost, MemberCondition.Lost]);
        }
        Derive([running], smaller).Groups.ShouldHaveSingleItem().Members.ShouldHaveSingleItem().Member.ShouldBe(1);
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
    public void A_running_job_grows_on_the_device_that_it_has()
    {
        var mixed = Worker("w1") with { Identity = Some.Identity("w1") with { Slots = [new(0, "cuda"), new(1, "cuda"), new(2, "cpu"), new(3, "cpu")] } };
        var job = Running("w1") with { RanksMin = 1, RanksMax = 4 };

        Assignments.Waiting(Cluster([job], mixed)).Single().Device.ShouldBe("cuda");
        var onCpu = job with { Placements = [job.Placements[0] with { Slot = 3 }] };
        Assignments.Waiting(Cluster([onCpu], mixed)).Single().Device.ShouldBe("cpu");
        Assignments.Waiting(Cluster([onCpu with { Device = "cuda" }], mixed)).Single().Device.ShouldBe("cuda");
    }

    [Fact]
    public void A_worker_that_leaves_or_is_drained_is_told_of_with_the_reason_and_what_it_never_started_is_gone()
    {
        var job = Running("w1");
        var leaves = Worker("w1") with { Status = new WorkerStatus { Draining = true, Groups = [Some.Report(job)] } };
        var drained = Worker("w1") with { Drained = "person:ada: new kernel", Status = new WorkerStatus { Groups = [Some.Report(job)] } };

        var seen = Assignments.Observe(Cluster([job], leaves), job).Single();
        (seen.Condition, seen.Leaving).ShouldBe((MemberCondition.Training, "worker w1 leaves"));
        Assignments.Observe(Cluster([job], drained), job).Single().Leaving.ShouldBe("worker w1 is drained by person:ada: new kernel");
        Observe(job, Worker("w1") with { Status = new WorkerStatus { Draining = true } }).ShouldBe(MemberCondition.Lost);
    }

    [Fact]
    public void An_unfit_worker_gets_nothing_new_and_keeps_what_it_has()
    {
        var job = Running("w1");
        var unfit = Worker("w1") with { Status = new WorkerStatus { Unfit = "its storage is gone" } };
        var training = unfit with { Status = unfit.Status with { Groups = [Some.Report(job)] } };

        Capacities([], unfit).ShouldBe("");
        Assignments.Takers(Cluster([], unfit), "c1", []).Single().Capacity.ShouldBe(0);
        var seen = Assignments.Observe(Cluster([job], training), job).Single();
        (seen.Condition, seen.Leaving).ShouldBe((MemberCondition.Training, ""));
        Derive([job], training).Groups.ShouldHaveSingleItem();
        var neverStarted = Assignments.Observe(Cluster([job], unfit), job).Single();
        (neverStarted.Condition, neverStarted.Why).ShouldBe((MemberCondition.Lost, "worker w1 takes nothing new: its storage is gone"));
    }

    [Fact]
    public void A_running_job_wants_as_many_more_ranks_as_it_could_have_and_those_that_leave_do_not_count()
    {
        var job = Running("w1", "w2") with { RanksMin = 2, RanksMax = 4 };
        var waiting = Assignments.Waiting(Cluster([job], Worker("w1"), Worker("w2"))).Single();
        (waiting.RanksMin, waiting.RanksMax, waiting.Elastic, waiting.Has).ShouldBe((1, 2, true, 2));

        var drained = Assignments.Waiting(Cluster([job], Worker("w1"), Worker("w2") with { Drained = "person:ada" })).Single();
        (drained.RanksMin, drained.RanksMax, drained.Elastic, drained.Has).ShouldBe((1, 3, false, 1));

        Assignments.Waiting(Cluster([job with { RanksMax = 2 }], Worker("w1"), Worker("w2"))).ShouldBeEmpty();
        Assignments.Waiting(Cluster([job with { Stopping = true }], Worker("w1"), Worker("w2"))).ShouldBeEmpty();
        Assignments.Waiting(Cluster([job with { NotBefore = Some.Noon.AddSeconds(1), Reason = "failed" }], Worker("w1"), Worker("w2"))).Single().Holds.ShouldBe("failed");
    }

    [Fact]
    public void Step_times_are_those_of_the_generations_ranks()
    {
        var job = Running("w1", "w2") with { Placements = Some.Members("w1", "w2", "w3") };
        ReportedGroup Report(int member, int generation) => new(
            job.JobId, [new ReportedMember { Member = member, Condition = MemberCondition.Training, Generation = generation, StepMilliseconds = 50 }]);
        var cluster = Cluster(
            [job],
            Worker("w1") with { Status = new WorkerStatus { Groups = [Report(1, 1)] } },
            Worker("w2") with { Status = new WorkerStatus { Groups = [Report(2, 0)] } },
            Worker("w3") with { Status = new WorkerStatus { Groups = [Report(3, 1)] } });

        Assignments.StepTimes(cluster, job).ShouldBe([(1, 50), (2, 0)]);
    }

    [Fact]
    public void Slots_of_preparing_and_running_jobs_are_taken_and_absent_or_leaving_workers_have_none()
    {
        var job = Running("w1") with { Phase = JobPhase.Preparing };

        Capacities([job], Worker("w1"), Worker("w2")).ShouldBe("w1: 1 of 2 | w2: 0,1 of 2");
        Capacities([], Worker("w1") with { Alive = false }, Worker("w2") with { Reported = false }).ShouldBe("");
        Capacities([], Worker("w1") with { Connected = false }).ShouldBe("w1:  of 2");
        Capacities([], Worker("w1") with { Status = new WorkerStatus { Draining = true } }, Worker("w2") with { Drained = "person:ada" }).ShouldBe("");
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
        var ended = worker with { Status = new WorkerStatus { Groups = [Some.Report(cancelled, MemberCondition.Failed)] } };
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
        Placements = Some.Members(workers),
        LastMember = workers.Length,
        Plan = new GenerationPlan { Generation = 1, Members = [.. Enumerable.Range(1, workers.Length)] },
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

    private static MemberCondition Observe(JobView job, WorkerView worker) => Conditions(job, worker).ShouldHaveSingleItem();

    private static ImmutableArray<MemberCondition> Conditions(JobView job, WorkerView worker) =>
        [.. Assignments.Observe(Cluster([job], worker), job).Select(member => member.Condition)];

    private static string Capacities(ImmutableArray<JobView> jobs, params WorkerView[] workers) => string.Join(" | ", Assignments
        .Capacities(Cluster(jobs, workers))
        .Select(worker => $"{worker.Worker}: {string.Join(',', worker.Free)} of {worker.Total}"));

    private sealed class IgnoringArrays : IEqualityComparer<WorkerCapacity>
    {
        public bool Equals(WorkerCapacity? x, WorkerCapacity? y) => x! with { Free = [] } == y! with { Free = [] };

        public int GetHashCode(WorkerCapacity obj) => obj.Worker.GetHashCode(StringComparison.Ordinal);
    }
}
