namespace Linformer.Coordinator.Scheduling;

/// <summary>
/// The one grain (key 0) that brings jobs, corpora and workers together. A pass reads how all stand, decides with pure functions
/// (<see cref="GangScheduler"/>, <see cref="Assignments"/>), and tells jobs, corpora and workers. Passes are repeated
/// on a timer and after every poke, so a pass that was lost is made up by the next.
/// </summary>
[Alias("linformer.scheduler")]
public interface ISchedulerGrain : IGrainWithIntegerKey
{
    /// <summary>Something has changed: makes a pass soon. Returns at once; the first one after a start of the coordinator also starts the timer.</summary>
    [Alias("poke"), Orleans.Concurrency.AlwaysInterleave]
    Task Poke(CancellationToken cancellationToken);

    /// <summary>One worker stands otherwise than before, and nothing else has changed: as a poke, but the pass need not read the others anew.</summary>
    [Alias("look-at"), Orleans.Concurrency.AlwaysInterleave]
    Task LookAt(string worker, CancellationToken cancellationToken);
}
