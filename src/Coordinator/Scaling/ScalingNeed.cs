using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Scaling;

/// <summary>How many slots jobs need.</summary>
public static class ScalingNeed
{
    /// <summary>
    /// Slots that unfinished jobs need. A job needs its <c>ranks.max</c> from its submission to its end, so that one that starts small on
    /// a cluster that grows gets the rest when it is there; one of which not even <c>ranks.min</c> can ever fit needs nothing, since it would only
    /// keep a full cluster idle. One that is paused, or about to be, needs what it still holds.
    /// </summary>
    /// <param name="jobs">The jobs; those that have ended count for nothing.</param>
    /// <param name="device">The device of the slots, <c>cpu</c> or <c>cuda</c>; empty when it is not known yet: then every job counts.</param>
    /// <param name="most">Slots that there can be at most.</param>
    public static long Of(IEnumerable<JobView> jobs, string device, long most) => jobs
        .Where(job => !job.HasEnded && (device.Length == 0 || job.Device.Length == 0 || job.Device == device))
        .Sum(job => Of(job, most));

    private static long Of(JobView job, long most)
    {
        long held = job.Placements.Length;
        if (job.Phase == JobPhase.Paused || job.Wish == JobWish.Pause)
            return held;
        return job.RanksMin > most ? held : Math.Max(held, Math.Min(job.RanksMax, most));
    }
}
