using System.Collections.Immutable;

namespace Linformer.Coordinator.Jobs;

/// <summary>What the scheduler tells a job.</summary>
[GenerateSerializer, Alias("linformer.job-event")]
public abstract record JobEvent;

/// <summary>The job waits for something that it can tell: for slots, for a larger cluster, for its turn.</summary>
/// <param name="Reason">For what.</param>
[GenerateSerializer, Alias("linformer.job-waits")]
public sealed record JobWaits([property: Id(0)] string Reason) : JobEvent;

/// <summary>The job gets slots. It prepares its corpus, or starts a generation when that is ready.</summary>
/// <param name="Placements">The slots, by rank.</param>
[GenerateSerializer, Alias("linformer.job-placed")]
public sealed record JobPlaced([property: Id(0)] ImmutableArray<Placement> Placements) : JobEvent;

/// <summary>The corpus is ready: the generation starts on the slots that the job holds.</summary>
/// <param name="Corpus">The corpus.</param>
[GenerateSerializer, Alias("linformer.job-corpus-ready")]
public sealed record JobCorpusReady([property: Id(0)] JobCorpus Corpus) : JobEvent;

/// <summary>The corpus cannot be prepared.</summary>
/// <param name="Reason">Why.</param>
[GenerateSerializer, Alias("linformer.job-corpus-failed")]
public sealed record JobCorpusFailed([property: Id(0)] string Reason) : JobEvent;

/// <summary>What is seen of a generation's ranks on the workers. Without a change it is not told.</summary>
/// <param name="Lineage">The lineage.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Groups">Every worker that holds ranks of it.</param>
/// <param name="CommittedStep">The furthest step recorded under it.</param>
[GenerateSerializer, Alias("linformer.job-observed")]
public sealed record JobObserved(
    [property: Id(0)] int Lineage,
    [property: Id(1)] int Generation,
    [property: Id(2)] ImmutableArray<ObservedGroup> Groups,
    [property: Id(3)] long CommittedStep) : JobEvent;

/// <summary>A generation's ranks on one worker.</summary>
/// <param name="Worker">The worker.</param>
/// <param name="Condition">How they are.</param>
/// <param name="Failures">Those that failed, the cause first.</param>
/// <param name="Summary">What rank 0 said at the end, as JSON.</param>
/// <param name="Why">Why they are so, as a sentence without its end, where that is known: "worker w1 leaves".</param>
[GenerateSerializer, Alias("linformer.observed-group")]
public sealed record ObservedGroup(
    [property: Id(0)] string Worker,
    [property: Id(1)] GroupCondition Condition,
    [property: Id(2)] ImmutableArray<FailedRank> Failures,
    [property: Id(3)] string? Summary,
    [property: Id(4)] string Why = "");

/// <summary>How a generation's ranks on one worker are.</summary>
[GenerateSerializer, Alias("linformer.group-condition")]
public enum GroupCondition
{
    /// <summary>Assigned; the worker has not taken it up yet, or is not back after a restart of the coordinator.</summary>
    Pending = 0,

    /// <summary>Its processes live.</summary>
    Alive = 1,

    /// <summary>All of the job is done.</summary>
    Finished = 2,

    /// <summary>Stopped as asked, with a checkpoint.</summary>
    Stopped = 3,

    /// <summary>A rank of it failed; the others have been ended.</summary>
    Failed = 4,

    /// <summary>The worker is lost, or has come back without it.</summary>
    Lost = 5,

    /// <summary>Its worker wants to leave.</summary>
    Leaving = 6,
}

/// <summary>A change that a job's state does not allow. The message names the job, its state and what is possible.</summary>
[GenerateSerializer, Alias("linformer.job-change-exception")]
public sealed class JobChangeException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">For the user.</param>
    public JobChangeException(string message)
        : base(message)
    {
    }
}
