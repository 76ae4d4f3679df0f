using System.Collections.Immutable;
using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Scheduling;

/// <summary>A job that wants slots.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Priority">A higher number first.</param>
/// <param name="SubmittedAt">Among equal priorities, the older first.</param>
/// <param name="RanksMin">Fewest ranks.</param>
/// <param name="RanksMax">Most ranks.</param>
/// <param name="Holds">Why it cannot be placed for a moment, such as a delay after a failure; it keeps its turn. Empty for nothing.</param>
public sealed record WaitingJob(string JobId, int Priority, DateTimeOffset SubmittedAt, int RanksMin, int RanksMax, string Holds = "");

/// <summary>A live worker with its slots.</summary>
/// <param name="Worker">The worker.</param>
/// <param name="Free">The numbers of its free slots.</param>
/// <param name="Clearing">Slots that will be free in a moment: their ranks are ending.</param>
/// <param name="Total">All its slots.</param>
public sealed record WorkerCapacity(string Worker, ImmutableArray<int> Free, int Clearing, int Total);

/// <summary>What becomes of a waiting job.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Placements">Its slots, by rank; empty while it waits.</param>
/// <param name="Reason">What it waits for.</param>
public sealed record GangDecision(string JobId, ImmutableArray<Placement> Placements, string Reason);

/// <summary>
/// Gives slots to waiting jobs, as a pure function: all of a job's ranks or none; by priority, then age; a job that the cluster could
/// hold, but not now, keeps later ones waiting, so nothing starves; one that the cluster cannot hold does not.
/// </summary>
public static class GangScheduler
{
    /// <summary>Decides for all waiting jobs.</summary>
    /// <param name="waiting">The jobs, in any order.</param>
    /// <param name="workers">The live workers, in any order.</param>
    /// <returns>A decision per job, in the order in which they take their turn.</returns>
    public static ImmutableArray<GangDecision> Place(IEnumerable<WaitingJob> waiting, IEnumerable<WorkerCapacity> workers)
    {
        var cluster = workers.OrderBy(worker => worker.Worker, StringComparer.Ordinal).ToList();
        var total = cluster.Sum(worker => worker.Total);
        var clearing = cluster.Sum(worker => worker.Clearing);
        var free = cluster.ToDictionary(worker => worker.Worker, worker => worker.Free.Sort(), StringComparer.Ordinal);
        var decisions = ImmutableArray.CreateBuilder<GangDecision>();
        string? ahead = null;
        foreach (var job in waiting.OrderByDescending(job => job.Priority).ThenBy(job => job.SubmittedAt).ThenBy(job => job.JobId, StringComparer.Ordinal))
        {
            var reason = WhyNot(job, ahead, total, clearing, free.Values.Sum(slots => slots.Length));
            if (reason.Length > 0)
            {
                decisions.Add(new GangDecision(job.JobId, [], reason));
                if (job.RanksMin <= total)
                    ahead ??= job.JobId;
                continue;
            }
            decisions.Add(new GangDecision(job.JobId, Take(free, job.RanksMax), Reason: ""));
        }
        return decisions.ToImmutable();
    }

    private static string WhyNot(WaitingJob job, string? ahead, int total, int clearing, int free)
    {
        if (job.RanksMin > total)
            return $"needs at least {Slots(job.RanksMin)}; the cluster has {total}";
        if (job.Holds.Length > 0)
            return job.Holds;
        if (ahead is not null)
            return $"waits for its turn after job {ahead}";
        if (free < job.RanksMin)
            return $"waits for {Slots(job.RanksMin)}; {free} of {total} {(free == 1 ? "is" : "are")} free";
        // Taking fewer ranks than it could have in a moment would last as long as the generation.
        return free < Math.Min(job.RanksMax, total) && clearing > 0 ? "waits for slots whose ranks are ending" : "";
    }

    private static string Slots(int count) => count == 1 ? "1 slot" : $"{count} slots";

    /// <summary>Takes as many slots as there are, up to a number, from as few workers as that needs.</summary>
    private static ImmutableArray<Placement> Take(Dictionary<string, ImmutableArray<int>> free, int most)
    {
        var wanted = Math.Min(most, free.Values.Sum(slots => slots.Length));
        var placements = ImmutableArray.CreateBuilder<Placement>(wanted);
        while (placements.Count < wanted)
        {
            var left = wanted - placements.Count;
            var worker = Next(free, left);
            foreach (var slot in free[worker].Take(left))
                placements.Add(new Placement(placements.Count, worker, slot));
            free[worker] = [.. free[worker].Skip(left)];
        }
        return placements.MoveToImmutable();
    }

    /// <summary>The worker that holds all of the rest with the least left over; if none does, the one with most.</summary>
    private static string Next(Dictionary<string, ImmutableArray<int>> free, int wanted) => free
        .OrderByDescending(worker => worker.Value.Length >= wanted)
        .ThenBy(worker => worker.Value.Length >= wanted ? worker.Value.Length : -worker.Value.Length)
        .ThenBy(worker => worker.Key, StringComparer.Ordinal)
        .First()
        .Key;
}
