namespace Linformer.Coordinator.Scheduling;

/// <summary>
/// The one grain that brings jobs, corpora and workers together. A pass reads how all stand, decides with pure functions
/// (<see cref="GangScheduler"/>, <see cref="Assignments"/>), and tells jobs, corpora and workers. Passes are repeated
/// on a timer and after every poke, so a pass that was lost is made up by the next.
/// </summary>
[Alias("linformer.scheduler")]
public interface ISchedulerGrain : IGrainWithIntegerKey
{
    /// <summary>Something has changed: makes a pass soon. Returns at once.</summary>
    [Alias("poke")]
    Task Poke(CancellationToken cancellationToken);
}
