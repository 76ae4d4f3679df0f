using System.Collections.Immutable;
using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Scheduling;

/// <summary>A job that wants slots: one that waits, or one that runs and could have more.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Priority">A higher number first.</param>
/// <param name="SubmittedAt">Among equal priorities, the older first.</param>
/// <param name="RanksMin">Fewest slots that are of use to it.</param>
/// <param name="RanksMax">Most slots that it takes.</param>
/// <param name="Holds">Why it cannot be placed for a moment, such as a delay after a failure; it keeps its turn. Empty for nothing.</param>
/// <param name="Device">The only device whose slots it takes, <c>cpu</c> or <c>cuda</c>; empty for any.</param>
/// <param name="Has">Slots that it has already.</param>
/// <param name="Elastic">Whether it runs with as many ranks as it must have, and could do without more.</param>
/// <param name="IsPlugin">Whether it takes only slots of workers that allow plug-ins.</param>
public sealed record WaitingJob(
    string JobId,
    int Priority,
    DateTimeOffset SubmittedAt,
    int RanksMin,
    int RanksMax,
    string Holds = "",
    string Device = "",
    int Has = 0,
    bool Elastic = false,
    bool IsPlugin = false)
{
    /// <summary>Whether it takes slots of a worker's.</summary>
    public bool Takes(WorkerCapacity worker) => (Device.Length == 0 || Device == worker.Device) && (worker.AllowsPlugins || !IsPlugin);

    /// <summary>Whether there may be slots that both can take.</summary>
    public bool Competes(WaitingJob other) => other.Device.Length == 0 || Device.Length == 0 || Device == other.Device;
}

/// <summary>A live worker with its slots of one device.</summary>
/// <param name="Worker">The worker.</param>
/// <param name="Free">The numbers of its free slots.</param>
/// <param name="Clearing">Slots that will be free in a moment: their ranks are ending.</param>
/// <param name="Total">All its slots of the device.</param>
/// <param name="Device"><c>cpu</c> or <c>cuda</c>.</param>
/// <param name="AllowsPlugins">Whether it takes jobs that run their submitter's code.</param>
public sealed record WorkerCapacity(string Worker, ImmutableArray<int> Free, int Clearing, int Total, string Device = "cpu", bool AllowsPlugins = false);

/// <summary>What becomes of a waiting job.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Places">Its new slots; empty while it waits.</param>
/// <param name="Reason">What it waits for.</param>
public sealed record GangDecision(string JobId, ImmutableArray<Place> Places, string Reason);

/// <summary>
/// Gives slots to jobs, as a pure function: in one order, by priority, then age, over jobs that wait and jobs that run with fewer ranks
/// than they could. A job gets at least what is of use to it or nothing: all of a waiting job's ranks, any number for one that runs. One that
/// the cluster could hold, but not now, keeps later ones for the same slots waiting, so nothing starves; one that the cluster cannot
/// hold does not, nor one that runs already. All ranks of a job are of one device.
/// </summary>
public static class GangScheduler
{
    /// <summary>Decides for all jobs that want slots.</summary>
    /// <param name="waiting">The jobs, in any order.</param>
    /// <param name="workers">The live workers, by device, in any order.</param>
    /// <returns>A decision per job, in the order in which they take their turn.</returns>
    public static ImmutableArray<GangDecision> Place(IEnumerable<WaitingJob> waiting, IEnumerable<WorkerCapacity> workers)
    {
        var cluster = workers
            .OrderBy(worker => worker.Worker, StringComparer.Ordinal)
            .ThenByDescending(worker => worker.Device, StringComparer.Ordinal)
            .Select(worker => worker with { Free = worker.Free.Sort() })
            .ToList();
        var decisions = ImmutableArray.CreateBuilder<GangDecision>();
        var ahead = new List<WaitingJob>();
        foreach (var job in InTurn(waiting).Select(job => Settled(job, cluster)))
        {
            var usable = cluster.Where(worker => job.Takes(worker)).ToList();
            var reason = WhyNot(job, ahead.Find(job.Competes)?.JobId, usable);
            if (reason.Length > 0)
            {
                decisions.Add(new GangDecision(job.JobId, [], reason));
                if (Fits(job, cluster) && !job.Elastic)
                    ahead.Add(job);
                continue;
            }
            decisions.Add(new GangDecision(job.JobId, Take(cluster, job), Reason: ""));
        }
        return decisions.ToImmutable();
    }

    /// <summary>
    /// The job for which one that runs with too few ranks, and got no more for long, should give its slots back: one whose turn comes
    /// before, or any that the cluster could hold while it cannot hold this one. Null for none. The first in order never yields to
    /// another that fits, so not all jobs wait for each other's slots.
    /// </summary>
    /// <param name="job">The job that runs with too few ranks.</param>
    /// <param name="others">The other jobs that wait for slots that they must have.</param>
    /// <param name="workers">The live workers, by device.</param>
    public static string? YieldsTo(WaitingJob job, IEnumerable<WaitingJob> others, IReadOnlyCollection<WorkerCapacity> workers)
    {
        job = Settled(job, workers);
        var fits = Fits(job, workers);
        return InTurn(others.Select(other => Settled(other, workers)).Where(other => other.JobId != job.JobId && !other.Elastic && job.Competes(other) && Fits(other, workers)))
            .FirstOrDefault(other => !fits || InTurn([job, other]).First() == other)?.JobId;
    }

    /// <summary>
    /// Ranks of different devices cannot train together, so a job that takes any device is given one: GPUs if the cluster has enough of
    /// them, be they free or not, else the CPU.
    /// </summary>
    private static WaitingJob Settled(WaitingJob job, IEnumerable<WorkerCapacity> workers)
    {
        if (job.Device.Length > 0)
            return job;
        var totals = workers.Where(job.Takes).GroupBy(worker => worker.Device, StringComparer.Ordinal).Select(slots => (Device: slots.Key, Total: slots.Sum(worker => worker.Total))).ToList();
        return totals.Count < 2
            ? job
            : job with
            {
                Device = totals.OrderByDescending(slots => slots.Total >= job.RanksMin + job.Has)
                    .ThenByDescending(slots => slots.Total >= job.RanksMin + job.Has ? 0 : slots.Total)
                    .ThenByDescending(slots => slots.Device, StringComparer.Ordinal)
                    .First().Device,
            };
    }

    private static bool Fits(WaitingJob job, IEnumerable<WorkerCapacity> workers) =>
        job.RanksMin + job.Has <= workers.Where(worker => job.Takes(worker)).Sum(worker => worker.Total);

    private static IEnumerable<WaitingJob> InTurn(IEnumerable<WaitingJob> jobs) =>
        jobs.OrderByDescending(job => job.Priority).ThenBy(job => job.SubmittedAt).ThenBy(job => job.JobId, StringComparer.Ordinal);

    private static string WhyNot(WaitingJob job, string? ahead, List<WorkerCapacity> usable)
    {
        var total = usable.Sum(worker => worker.Total);
        if (job.RanksMin + job.Has > total)
            return $"needs at least {Slots(job, job.RanksMin + job.Has)}{(job.IsPlugin ? " of workers that allow plug-ins (--allow-plugins)" : "")}; the cluster has {total}";
        if (job.Holds.Length > 0)
            return job.Holds;
        if (ahead is not null)
            return $"waits for its turn after job {ahead}";
        var free = usable.Sum(worker => worker.Free.Length);
        if (free < job.RanksMin)
            return $"waits for {Slots(job, job.RanksMin)}; {free} of {total} {(free == 1 ? "is" : "are")} free";
        // Taking fewer ranks than it could have in a moment would last as long as the generation.
        return !job.Elastic && free < Math.Min(job.RanksMax, total) && usable.Exists(worker => worker.Clearing > 0) ? "waits for slots whose ranks are ending" : "";
    }

    private static string Slots(WaitingJob job, int count) =>
        $"{count} {job.Device}{(job.Device.Length > 0 ? " " : "")}{(count == 1 ? "slot" : "slots")}";

    /// <summary>Takes as many slots as there are, up to the most that the job wants, from as few workers as that needs.</summary>
    private static ImmutableArray<Place> Take(List<WorkerCapacity> cluster, WaitingJob job)
    {
        var places = ImmutableArray.CreateBuilder<Place>();
        while (places.Count < job.RanksMax && Next(cluster, job, job.RanksMax - places.Count) is var at and >= 0)
        {
            var left = job.RanksMax - places.Count;
            var worker = cluster[at];
            foreach (var slot in worker.Free.Take(left))
                places.Add(new Place(worker.Worker, slot));
            cluster[at] = worker with { Free = [.. worker.Free.Skip(left)] };
        }
        return places.ToImmutable();
    }

    /// <summary>Where the worker is that holds all of the rest with the least left over; if none does, the one with most; -1 if none has any.</summary>
    private static int Next(List<WorkerCapacity> cluster, WaitingJob job, int wanted) => Enumerable
        .Range(0, cluster.Count)
        .Where(at => cluster[at].Free.Length > 0 && job.Takes(cluster[at]))
        .OrderByDescending(at => cluster[at].Free.Length >= wanted)
        .ThenBy(at => cluster[at].Free.Length >= wanted ? cluster[at].Free.Length : -cluster[at].Free.Length)
        .ThenBy(at => at)
        .FirstOrDefault(-1);
}
