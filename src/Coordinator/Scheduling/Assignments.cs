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
        if (worker.Status.Groups.Any(group => unknown.Contains(group.JobId) && kept.All(other => !IsOf(group, other))))
            return null;

        var name = worker.Identity.Name;
        var groups = cluster.Jobs.Values
            .Where(job => job.Phase == JobPhase.Running && Holds(job, name) && MayRun(job, worker))
            .Select(job => Group(job, name))
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
        one.Leases.SequenceEqual(other.Leases) && one.Groups.Length == other.Groups.Length && one.Groups.Zip(other.Groups).All(
            pair => pair.First with { Ranks = [] } == pair.Second with { Ranks = [] } && pair.First.Ranks.SequenceEqual(pair.Second.Ranks));

    /// <summary>How a job's ranks are, on each worker that it has slots on.</summary>
    /// <param name="cluster">Jobs and workers.</param>
    /// <param name="job">A job that has slots.</param>
    public static ImmutableArray<ObservedGroup> Observe(ClusterView cluster, JobView job) =>
    [
        .. job.Placements
            .Select(placement => placement.Worker)
            .Distinct(StringComparer.Ordinal)
            .Select(name => Observe(cluster, job, name)),
    ];

    /// <summary>Whether there is something in what is seen that the job has to hear of.</summary>
    public static bool IsWorthTelling(ImmutableArray<ObservedGroup> groups) =>
        groups.Any(group => group.Condition is not (GroupCondition.Pending or GroupCondition.Alive));

    /// <summary>
    /// Whether ranks have failed that only lost a peer, and what happened to the peer is not seen yet: its process may be
    /// reported a moment later, its worker lost when its lease ends.
    /// </summary>
    public static bool AwaitsCause(ImmutableArray<ObservedGroup> groups) =>
        groups.Any(group => group.Condition == GroupCondition.Failed)
        && groups.All(group => group.Condition != GroupCondition.Lost)
        && groups.SelectMany(group => group.Failures).ToList() is [_, ..] failures && failures.TrueForAll(failure => failure.PeerLost)
        && groups.Any(group => group.Condition is GroupCondition.Pending or GroupCondition.Alive or GroupCondition.Leaving);

    /// <summary>The waiting jobs as the gang scheduler sees them.</summary>
    public static IEnumerable<WaitingJob> Waiting(ClusterView cluster) => cluster.Jobs.Values
        .Where(job => job.Phase == JobPhase.Queued && !cluster.UnreadableJobs.Contains(job.JobId))
        .Select(job => new WaitingJob(job.JobId, job.Priority, job.SubmittedAt, job.RanksMin, job.RanksMax, Holds(cluster, job), job.Device));

    /// <summary>The workers that can take ranks, with their slots by device.</summary>
    public static IEnumerable<WorkerCapacity> Capacities(ClusterView cluster) => cluster.Workers.Values
        .Where(worker => worker is { Alive: true, Reported: true, Status.Draining: false } && !cluster.UnreadableWorkers.Contains(worker.Identity.Name))
        .SelectMany(worker => Capacity(cluster, worker));

    /// <summary>Whether a worker has ranks that it should not have any more: their slots are not known, so all of its slots wait.</summary>
    public static bool IsClearing(ClusterView cluster, WorkerView worker) =>
        worker.Alive && worker.Status.Groups.Any(group => group.Condition == GroupCondition.Alive && !IsCurrent(cluster, group));

    /// <summary>The workers in the eyes of a corpus: the live ones, and those that may come back after a restart or a standstill of the coordinator.</summary>
    /// <param name="cluster">Jobs and workers.</param>
    /// <param name="corpusId">The corpus.</param>
    /// <param name="otherLeases">The leases of other corpora.</param>
    public static ImmutableArray<LeaseTaker> Takers(ClusterView cluster, string corpusId, IReadOnlyCollection<AssignedLease> otherLeases)
    {
        var takers = ImmutableArray.CreateBuilder<LeaseTaker>();
        foreach (var worker in cluster.Workers.Values.OrderBy(worker => worker.Identity.Name, StringComparer.Ordinal))
        {
            if (worker is { Alive: true, Reported: true })
                takers.Add(Taker(cluster, worker, corpusId, otherLeases.Count(lease => lease.Worker == worker.Identity.Name)));
            else if (MayComeBack(cluster, worker))
                takers.Add(new LeaseTaker(worker.Identity.Name, 0, [], []));
        }
        takers.AddRange(cluster.UnreadableWorkers.Except(cluster.Workers.Keys).Select(name => new LeaseTaker(name, 0, [], [])));
        return takers.ToImmutable();
    }

    private static ObservedGroup Observe(ClusterView cluster, JobView job, string name)
    {
        if (cluster.UnreadableWorkers.Contains(name))
            return Seen(name, GroupCondition.Pending);
        if (!cluster.Workers.TryGetValue(name, out var worker))
            return Seen(name, GroupCondition.Lost);
        // What has ended counts even if its worker is gone by now.
        var report = job.Phase == JobPhase.Running ? Report(worker, job) : null;
        if (report is { Condition: GroupCondition.Finished or GroupCondition.Stopped or GroupCondition.Failed })
            return new ObservedGroup(name, report.Condition, report.Failures, report.Summary, Why(worker));
        if (!worker.Reported || !worker.Alive)
            return Seen(name, MayComeBack(cluster, worker) ? GroupCondition.Pending : GroupCondition.Lost);
        if (report is not null)
            return Seen(name, worker.Status.Draining ? GroupCondition.Leaving : GroupCondition.Alive, Why(worker));
        if (!HasSlots(worker, job))
            return Seen(name, GroupCondition.Lost, $"worker {name} came back without the slots that the job had on it");
        if (job.Phase == JobPhase.Preparing)
            return Seen(name, worker.Status.Draining ? GroupCondition.Leaving : GroupCondition.Pending, Why(worker));
        if (TookUp(worker, job) || !MayRun(job, worker))
            return Seen(name, GroupCondition.Lost);
        // Ranks that were never started have nothing to write a checkpoint of.
        return Seen(name, worker.Status.Draining ? GroupCondition.Stopped : GroupCondition.Pending, Why(worker));
    }

    private static ObservedGroup Seen(string worker, GroupCondition condition, string why = "") => new(worker, condition, [], Summary: null, why);

    private static string Why(WorkerView worker) => worker.Status.Draining ? $"worker {worker.Identity.Name} leaves" : "";

    private static bool MayComeBack(ClusterView cluster, WorkerView worker) => !(worker.Reported && worker.Alive) && !worker.Left && cluster.InGrace;

    /// <summary>Whether the worker has the slots, with the device, on which the job is placed there: it may have been started again with others.</summary>
    private static bool HasSlots(WorkerView worker, JobView job) => job.Placements
        .Where(placement => placement.Worker == worker.Identity.Name)
        .All(placement => worker.Identity.Slots.Any(slot => slot.Number == placement.Slot && (job.Device.Length == 0 || slot.Device == job.Device)));

    /// <summary>Whether the worker has had the assignment of a generation's ranks for long enough to report them.</summary>
    private static bool TookUp(WorkerView worker, JobView job) =>
        IsAssigned(worker, job) && worker.Assignment.Revision <= worker.Status.AssignmentRevision;

    /// <summary>
    /// Whether a worker may have a generation's ranks. One that connected after the generation had started, and neither reports its
    /// ranks nor was assigned them since, has lost them: it must not start them a second time.
    /// </summary>
    private static bool MayRun(JobView job, WorkerView worker) =>
        Report(worker, job) is not null
        || (HasSlots(worker, job) && (worker.ConnectedAt <= job.GenerationStartedAt || IsAssigned(worker, job)));

    private static bool IsAssigned(WorkerView worker, JobView job) => worker.Assignment.Groups.Any(
        group => group.JobId == job.JobId && group.Lineage == job.Lineage && group.Generation == job.Generation);

    private static ReportedGroup? Report(WorkerView worker, JobView job) => worker.Status.Groups.FirstOrDefault(
        group => group.JobId == job.JobId && group.Lineage == job.Lineage && group.Generation == job.Generation);

    private static bool IsOf(ReportedGroup group, AssignedGroup other) =>
        group.JobId == other.JobId && group.Lineage == other.Lineage && group.Generation == other.Generation;

    private static bool Holds(JobView job, string worker) => job.Placements.Any(placement => placement.Worker == worker);

    private static AssignedGroup Group(JobView job, string worker) => new()
    {
        JobId = job.JobId,
        JobName = job.Name,
        Lineage = job.Lineage,
        Generation = job.Generation,
        WorldSize = job.Placements.Length,
        Ranks = [.. job.Placements.Where(placement => placement.Worker == worker)],
        JobJson = job.JobJson,
        Threads = job.Threads,
        CorpusFolder = job.Corpus?.Folder ?? "",
        Stop = job.Stopping,
        CommittedStep = job.CommittedBefore,
    };

    private static bool IsCurrent(ClusterView cluster, ReportedGroup group) =>
        cluster.Jobs.TryGetValue(group.JobId, out var job)
        && job.Phase == JobPhase.Running && job.Lineage == group.Lineage && job.Generation == group.Generation;

    private static IEnumerable<WorkerCapacity> Capacity(ClusterView cluster, WorkerView worker)
    {
        var name = worker.Identity.Name;
        var taken = cluster.Jobs.Values
            .SelectMany(job => job.Placements)
            .Where(placement => placement.Worker == name)
            .Select(placement => placement.Slot)
            .ToHashSet();
        var clearing = IsClearing(cluster, worker);
        foreach (var slots in worker.Identity.Slots.DistinctBy(slot => slot.Number).GroupBy(slot => slot.Device, StringComparer.Ordinal))
        {
            var free = slots.Select(slot => slot.Number).Where(slot => !taken.Contains(slot)).ToImmutableArray();
            var total = slots.Count();
            if (!clearing)
                yield return new WorkerCapacity(name, free, 0, total, slots.Key);
            else if (!cluster.HangingWorkers.Contains(name))
                yield return new WorkerCapacity(name, [], free.Length, total, slots.Key);
            else
                // Slots that hang do not count as the cluster's, or a job that needs them would keep all others waiting.
                yield return new WorkerCapacity(name, [], 0, total - free.Length, slots.Key);
        }
    }

    private static string Holds(ClusterView cluster, JobView job)
    {
        if (job.NotBefore > cluster.Now)
            return job.Reason;
        var ending = cluster.Workers.Values.Any(worker => worker.Alive && !cluster.HangingWorkers.Contains(worker.Identity.Name)
            && worker.Status.Groups.Any(group => group.JobId == job.JobId && group.Condition == GroupCondition.Alive));
        return ending ? $"waits until its ranks of generation {job.Generation} have ended" : "";
    }

    private static LeaseTaker Taker(ClusterView cluster, WorkerView worker, string corpusId, int otherLeases)
    {
        var name = worker.Identity.Name;
        var ranks = cluster.Jobs.Values.Where(job => job.Phase == JobPhase.Running).SelectMany(job => job.Placements).Count(placement => placement.Worker == name);
        var capacity = worker.Status.Draining ? 0 : Math.Max(0, worker.Identity.Slots.Length - ranks - otherLeases);
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
