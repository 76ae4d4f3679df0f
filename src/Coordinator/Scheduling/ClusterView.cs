using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Workers;

namespace Linformer.Coordinator.Scheduling;

/// <summary>All that a pass of the scheduler knows of jobs and workers.</summary>
public sealed record ClusterView
{
    private ILookup<string, (JobView Job, Placement Placement)>? _placed;
    private HashSet<string>? _alive;

    /// <summary>The jobs that have not ended, by id; as they were last seen, for those that cannot be read now.</summary>
    public required IReadOnlyDictionary<string, JobView> Jobs { get; init; }

    /// <summary>The workers, by name.</summary>
    public required IReadOnlyDictionary<string, WorkerView> Workers { get; init; }

    /// <summary>Jobs that cannot be read now: nothing is decided about them, and what they have stays theirs.</summary>
    public IReadOnlySet<string> UnreadableJobs { get; init; } = new HashSet<string>();

    /// <summary>Workers that cannot be read now.</summary>
    public IReadOnlySet<string> UnreadableWorkers { get; init; } = new HashSet<string>();

    /// <summary>Workers with ranks that should have ended long ago: their slots stay occupied, but nobody waits for them.</summary>
    public IReadOnlySet<string> HangingWorkers { get; init; } = new HashSet<string>();

    /// <summary>How long workers are waited for.</summary>
    public required ClusterTiming Timing { get; init; }

    /// <summary>The time.</summary>
    public required DateTimeOffset Now { get; init; }

    /// <summary>
    /// Whether workers that are not heard of may yet come back, because it is the coordinator that did not hear: it has started, or
    /// stood still, less than a lease ago.
    /// </summary>
    public bool InGrace { get; init; }

    /// <summary>Whether every worker of before the start or the standstill has reported, or had its time to.</summary>
    public bool WorkersAreBack =>
        !InGrace || (UnreadableWorkers.Count == 0 && Workers.Values.All(worker => worker is { Reported: true, Alive: true } or { Left: true }));

    /// <summary>What is placed on each worker, by its name; made when it is first asked for.</summary>
    internal ILookup<string, (JobView Job, Placement Placement)> Placed => _placed ??= Jobs.Values
        .SelectMany(job => job.Placements.Select(placement => (Job: job, Placement: placement)))
        .ToLookup(placed => placed.Placement.Worker, StringComparer.Ordinal);

    /// <summary>The jobs of which a rank is alive on a worker that is waited for; made when it is first asked for.</summary>
    internal IReadOnlySet<string> Alive => _alive ??= Workers.Values
        .Where(worker => worker.Alive && !HangingWorkers.Contains(worker.Identity.Name))
        .SelectMany(worker => worker.Status.Groups)
        .Where(group => group.Members.Any(member => member.IsAlive))
        .Select(group => group.JobId)
        .ToHashSet(StringComparer.Ordinal);
}
