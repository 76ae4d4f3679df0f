using System.Collections.Immutable;
using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Workers;

namespace Linformer.Coordinator.Scheduling;

/// <summary>
/// What each worker should do, from how jobs and corpora stand; and what is to be seen of a job, from how workers stand. Pure
/// functions: passes may be lost, repeated and made by another coordinator.
/// </summary>
public static class Assignments
{
    /// <summary>What a worker should do; null when that is not to be known now, and the worker is better left alone.</summary>
    /// <param name="cluster">Jobs and workers.</param>
    /// <param name="worker">A worker that has reported.</param>
    /// <param name="leases">The leases of all corpora that jobs need.</param>
    /// <param name="unreadableCorpora">Corpora that cannot be read now: their leases stay as they are.</param>
    public static WorkerAssignment? Derive(
        ClusterView cluster, WorkerView worker, IEnumerable<AssignedLease> leases, IReadOnlySet<string> unreadableCorpora)
    {
        var before = worker.Assignment;
        var unknown = cluster.UnreadableJobs.Where(job => !cluster.Jobs.ContainsKey(job)).ToHashSet(StringComparer.Ordinal);
        var kept = before.Groups.Where(group => unknown.Contains(group.JobId)).ToList();
        if (worker.Status.Groups.Any(group => unknown.Contains(group.JobId) && kept.All(other => other.JobId != group.JobId)))
            return null;

        var name = worker.Identity.Name;
        var groups = cluster.Placed[name]
            .Select(placed => placed.Job)
            .Where(job => job.Phase == JobPhase.Running)
            .DistinctBy(job => job.JobId, StringComparer.Ordinal)
            .Select(job => Group(job, worker))
            .Where(group => !group.Members.IsEmpty)
            .Concat(kept)
            .OrderBy(group => group.JobId, StringComparer.Ordinal);
        var own = leases
            .Where(lease => lease.Worker == name)
            .Concat(before.Leases.Where(lease => unreadableCorpora.Contains(lease.CorpusId)))
            .OrderBy(lease => lease.LeaseId, StringComparer.Ordinal);
        return new WorkerAssignment(before.Revision, [.. groups], [.. own]);
    }

    /// <summary>Whether two assignments ask for the same, whatever their revisions.</summary>
    public static bool Same(WorkerAssignment one, WorkerAssignment other) =>
        one.Leases.SequenceEqual(other.Leases) && one.Groups.SequenceEqual(other.Groups);

    /// <summary>What is to be seen of a job's members, one by one.</summary>
    /// <param name="cluster">Jobs and workers.</param>
    /// <param name="job">A job that has slots.</param>
    public static ImmutableArray<ObservedMember> Observe(ClusterView cluster, JobView job) =>
        [.. job.Placements.Select(placement => Observe(cluster, job, placement))];

    /// <summary>The time that each rank of a job's generation takes for a step, in milliseconds; 0 for one that is not known.</summary>
    public static ImmutableArray<(int Member, double Milliseconds)> StepTimes(ClusterView cluster, JobView job) =>
    [
        .. job.Placements
            .Where(placement => job.Plan?.Members.Contains(placement.Member) == true)
            .Select(placement => (
                placement.Member,
                cluster.Workers.TryGetValue(placement.Worker, out var worker)
                    && Report(worker, job, placement.Member) is { Condition: MemberCondition.Training } report && report.Generation == job.Generation
                        ? report.StepMilliseconds
                        : 0)),
    ];

    /// <summary>The jobs that want slots, as the gang scheduler sees them: those that wait, and those that run with fewer ranks than they could.</summary>
    public static IEnumerable<WaitingJob> Waiting(ClusterView cluster) => cluster.Jobs.Values
        .Where(job => !cluster.UnreadableJobs.Contains(job.JobId))
        .Select(job => job.Phase switch
        {
            JobPhase.Queued => new WaitingJob(job.JobId, job.Priority, job.SubmittedAt, job.RanksMin, job.RanksMax, Holds(cluster, job), job.Device, IsPlugin: job.IsPlugin),
            JobPhase.Running when !job.Stopping => Growing(cluster, job),
            _ => null,
        })
        .OfType<WaitingJob>();

    /// <summary>How many of a running job's members count: those that are not about to go with their worker.</summary>
    public static int Staying(ClusterView cluster, JobView job) =>
        job.Placements.Count(placement => !cluster.Workers.TryGetValue(placement.Worker, out var worker) || !worker.IsLeaving);

    /// <summary>The workers that can take ranks, with their slots by device.</summary>
    public static IEnumerable<WorkerCapacity> Capacities(ClusterView cluster) => cluster.Workers.Values
        .Where(worker => worker is { Alive: true, Reported: true, TakesNew: true } && !cluster.UnreadableWorkers.Contains(worker.Identity.Name))
        .SelectMany(worker => Capacity(cluster, worker));

    /// <summary>Whether a worker has ranks that it should not have any more: their slots are not known, so all of its slots wait.</summary>
    public static bool IsClearing(ClusterView cluster, WorkerView worker) =>
        worker.Alive && worker.Status.Groups.Any(group => group.Members.Any(member => member.IsAlive && !IsCurrent(cluster, worker, group.JobId, member)));

    /// <summary>The workers in the eyes of a corpus: the live ones, and those that may come back after a restart or a standstill of the coordinator.</summary>
    /// <param name="cluster">Jobs and workers.</param>
    /// <param name="corpusId">The corpus.</param>
    /// <param name="otherLeases">The leases of other corpora.</param>
    public static ImmutableArray<LeaseTaker> Takers(ClusterView cluster, string corpusId, IReadOnlyCollection<AssignedLease> otherLeases)
    {
        var takers = ImmutableArray.CreateBuilder<LeaseTaker>();
        var leases = otherLeases.ToLookup(lease => lease.Worker, StringComparer.Ordinal);
        foreach (var worker in cluster.Workers.Values.OrderBy(worker => worker.Identity.Name, StringComparer.Ordinal))
        {
            if (worker is { Alive: true, Reported: true })
                takers.Add(Taker(cluster, worker, corpusId, leases[worker.Identity.Name].Count()));
            else if (MayComeBack(cluster, worker))
                takers.Add(new LeaseTaker(worker.Identity.Name, 0, [], []));
        }
        takers.AddRange(cluster.UnreadableWorkers.Except(cluster.Workers.Keys).Select(name => new LeaseTaker(name, 0, [], [])));
        return takers.ToImmutable();
    }

    private static ObservedMember Observe(ClusterView cluster, JobView job, Placement placement)
    {
        var seen = new ObservedMember { Member = placement.Member, Worker = placement.Worker, Condition = MemberCondition.Lost };
        if (cluster.UnreadableWorkers.Contains(placement.Worker))
            return seen with { Condition = MemberCondition.Absent };
        if (!cluster.Workers.TryGetValue(placement.Worker, out var worker))
            return seen;
        seen = seen with { Leaving = worker.WhyLeaving };
        // What has ended counts even if its worker is gone by now.
        var report = job.Phase == JobPhase.Running ? Report(worker, job, placement.Member) : null;
        if (report is { IsAlive: false })
            return Seen(seen, report);
        if (!worker.Reported || !worker.Alive)
            return seen with
            {
                Condition = MayComeBack(cluster, worker) ? MemberCondition.Absent : MemberCondition.Lost,
                AppliedStep = report?.AppliedStep ?? 0,
            };
        if (report is not null)
            // Whoever cannot be told of a generation would only keep the others from forming it.
            return worker.Connected ? Seen(seen, report) : seen with { Condition = MemberCondition.Absent, AppliedStep = report.AppliedStep };
        if (!HasSlot(worker, job, placement))
            return seen with { Why = $"worker {placement.Worker} came back without the slots that the job had on it" };
        if (job.Phase == JobPhase.Preparing)
            return seen with { Condition = MemberCondition.Assigned };
        if (TookUp(worker, job, placement) || !MayRun(worker, job, placement))
            return seen with { Why = $"worker {placement.Worker} came back without its ranks" };
        // A rank that was never started has nothing to hand over.
        return seen with
        {
            Condition = worker.TakesNew ? MemberCondition.Assigned : MemberCondition.Lost,
            Why = worker.IsLeaving ? worker.WhyLeaving : worker.TakesNew ? "" : $"worker {placement.Worker} takes nothing new: {worker.Status.Unfit}",
        };
    }

    private static ObservedMember Seen(ObservedMember seen, ReportedMember report) => seen with
    {
        Condition = report.Condition,
        Lineage = report.Lineage,
        Generation = report.Generation,
        AppliedStep = report.AppliedStep,
        HoldsState = report.HoldsState,
        Broken = report.Broken,
        BadLoss = report.BadLoss,
        Failure = report.Failure,
        Summary = report.Summary,
    };

    // One that has connected and not reported yet is within its lease; so is one whose grain had to begin anew after a failed write.
    private static bool MayComeBack(ClusterView cluster, WorkerView worker) =>
        !(worker.Reported && worker.Alive) && !worker.Left && (cluster.InGrace || worker.Alive || worker.IsAwaited);

    /// <summary>Whether the worker has the slot of a member, with the device: it may have been started again with others.</summary>
    private static bool HasSlot(WorkerView worker, JobView job, Placement placement) =>
        worker.Identity.Slots.Any(slot => slot.Number == placement.Slot && (job.Device.Length == 0 || slot.Device == job.Device));

    /// <summary>Whether the worker has had the assignment of a member for long enough to report it.</summary>
    private static bool TookUp(WorkerView worker, JobView job, Placement placement) =>
        IsAssigned(worker, job, placement) && worker.Assignment.Revision <= worker.Status.AssignmentRevision;

    /// <summary>
    /// Whether a worker may have a member. One that connected after the member was placed there, and neither reports it nor was
    /// assigned it since, has lost it: it must not start it a second time.
    /// </summary>
    private static bool MayRun(WorkerView worker, JobView job, Placement placement) =>
        Report(worker, job, placement.Member) is not null
        || (HasSlot(worker, job, placement) && (worker.ConnectedAt <= placement.At || IsAssigned(worker, job, placement)));

    private static bool IsAssigned(WorkerView worker, JobView job, Placement placement) => worker.Assignment.Groups.Any(
        group => group.JobId == job.JobId && group.Members.Any(member => member.Member == placement.Member));

    private static ReportedMember? Report(WorkerView worker, JobView job, int member) => worker.Status.Groups
        .FirstOrDefault(group => group.JobId == job.JobId)?.Members
        .FirstOrDefault(reported => reported.Member == member);

    private static AssignedGroup Group(JobView job, WorkerView worker) => new()
    {
        JobId = job.JobId,
        JobName = job.Name,
        Members = [.. job.Placements.Where(placement => placement.Worker == worker.Identity.Name && MayRun(worker, job, placement))],
        Plan = job.Plan,
        Lineages = job.Lineages,
        JobJson = job.JobJson,
        Threads = job.Threads,
        CorpusFolder = job.Corpus?.Folder ?? "",
        Stop = job.IsStopped,
    };

    private static bool IsCurrent(ClusterView cluster, WorkerView worker, string jobId, ReportedMember member) =>
        cluster.Jobs.TryGetValue(jobId, out var job) && job.Phase == JobPhase.Running
        && job.Placements.Any(placement => placement.Member == member.Member && placement.Worker == worker.Identity.Name);

    private static WaitingJob? Growing(ClusterView cluster, JobView job)
    {
        var staying = Staying(cluster, job);
        // A job of one rank cannot hand over to another: it stops with a checkpoint.
        if (staying >= job.RanksMax || (job.RanksMax == 1 && job.Placements.Length > 0))
            return null;
        var holds = job.NotBefore > cluster.Now ? job.Reason : "";
        return new WaitingJob(
            job.JobId, job.Priority, job.SubmittedAt, Math.Max(1, job.RanksMin - staying), job.RanksMax - staying, holds, DeviceOf(cluster, job), staying,
            Elastic: staying >= job.RanksMin, job.IsPlugin);
    }

    /// <summary>The device of those that run, which those that join them must have, too.</summary>
    private static string DeviceOf(ClusterView cluster, JobView job) => job.Device.Length > 0
        ? job.Device
        : job.Placements
            .Select(placement => cluster.Workers.GetValueOrDefault(placement.Worker)?.Identity.Slots.FirstOrDefault(slot => slot.Number == placement.Slot)?.Device)
            .FirstOrDefault(device => device is not null) ?? "";

    private static IEnumerable<WorkerCapacity> Capacity(ClusterView cluster, WorkerView worker)
    {
        var name = worker.Identity.Name;
        var taken = cluster.Placed[name].Select(placed => placed.Placement.Slot).ToHashSet();
        var clearing = IsClearing(cluster, worker);
        var plugins = worker.Identity.AllowsPlugins;
        foreach (var slots in worker.Identity.Slots.DistinctBy(slot => slot.Number).GroupBy(slot => slot.Device, StringComparer.Ordinal))
        {
            var free = slots.Select(slot => slot.Number).Where(slot => !taken.Contains(slot)).ToImmutableArray();
            var total = slots.Count();
            // It may never hear of what is placed there, so that whoever got its slots would wait for its lease to end.
            if (!worker.Connected)
                yield return new WorkerCapacity(name, [], 0, total, slots.Key, plugins);
            else if (!clearing)
                yield return new WorkerCapacity(name, free, 0, total, slots.Key, plugins);
            else if (!cluster.HangingWorkers.Contains(name))
                yield return new WorkerCapacity(name, [], free.Length, total, slots.Key, plugins);
            else
                // Slots that hang do not count as the cluster's, or a job that needs them would keep all others waiting.
                yield return new WorkerCapacity(name, [], 0, total - free.Length, slots.Key, plugins);
        }
    }

    private static string Holds(ClusterView cluster, JobView job)
    {
        if (job.NotBefore > cluster.Now)
            return job.Reason;
        return cluster.Alive.Contains(job.JobId) ? $"waits until its ranks of generation {job.Generation} have ended" : "";
    }

    private static LeaseTaker Taker(ClusterView cluster, WorkerView worker, string corpusId, int otherLeases)
    {
        var name = worker.Identity.Name;
        var ranks = cluster.Placed[name].Count(placed => placed.Job.Phase == JobPhase.Running);
        var capacity = !worker.TakesNew ? 0 : Math.Max(0, worker.Identity.Slots.Length - ranks - otherLeases);
        var reported = worker.Status.Leases.Where(lease => lease.CorpusId == corpusId).ToImmutableArray();
        var missing = worker.Assignment.Revision > worker.Status.AssignmentRevision
            ? []
            : worker.Assignment.Leases
                .Where(lease => lease.CorpusId == corpusId && reported.All(other => other.LeaseId != lease.LeaseId))
                .Select(lease => lease.LeaseId)
                .ToImmutableArray();
        return new LeaseTaker(name, capacity, reported, missing);
    }
}
