using System.Collections.Immutable;

namespace Linformer.Coordinator.Jobs;

/// <summary>What the scheduler tells a job.</summary>
[GenerateSerializer, Immutable, Alias("linformer.job-event")]
public abstract record JobEvent;

/// <summary>The job waits for something that it can tell: for slots, for a larger cluster, for its turn.</summary>
/// <param name="Reason">For what.</param>
[GenerateSerializer, Immutable, Alias("linformer.job-waits")]
public sealed record JobWaits([property: Id(0)] string Reason) : JobEvent;

/// <summary>The job gets slots. It prepares its corpus, or starts its members when that is ready.</summary>
/// <param name="Places">The slots.</param>
[GenerateSerializer, Immutable, Alias("linformer.job-placed")]
public sealed record JobPlaced([property: Id(0)] ImmutableArray<Place> Places) : JobEvent;

/// <summary>The running job gets more slots: for replacements of members that are gone, or for more ranks than it had.</summary>
/// <param name="Places">The slots.</param>
[GenerateSerializer, Immutable, Alias("linformer.job-grown")]
public sealed record JobGrown([property: Id(0)] ImmutableArray<Place> Places) : JobEvent;

/// <summary>The running job, which has fewer ranks than it must, is to write a checkpoint and queue again: others can use its slots.</summary>
/// <param name="Reason">Why.</param>
[GenerateSerializer, Immutable, Alias("linformer.job-yields")]
public sealed record JobYields([property: Id(0)] string Reason) : JobEvent;

/// <summary>Which members are far slower than the others.</summary>
/// <param name="Generation">The generation in which that was seen.</param>
/// <param name="Slow">They; empty for none.</param>
[GenerateSerializer, Immutable, Alias("linformer.job-stragglers")]
public sealed record JobStragglers([property: Id(0)] int Generation, [property: Id(1)] ImmutableArray<SlowMember> Slow) : JobEvent;

/// <summary>The corpus is ready: members start on the slots that the job holds.</summary>
/// <param name="Corpus">The corpus.</param>
/// <param name="Documents">Documents in it, on which the steps of an inference job depend.</param>
[GenerateSerializer, Immutable, Alias("linformer.job-corpus-ready")]
public sealed record JobCorpusReady([property: Id(0)] JobCorpus Corpus, [property: Id(1)] long Documents = 0) : JobEvent;

/// <summary>The corpus cannot be prepared.</summary>
/// <param name="Reason">Why.</param>
[GenerateSerializer, Immutable, Alias("linformer.job-corpus-failed")]
public sealed record JobCorpusFailed([property: Id(0)] string Reason) : JobEvent;

/// <summary>What is seen of a job's members on the workers.</summary>
[GenerateSerializer, Immutable, Alias("linformer.job-observed")]
public sealed record JobObserved : JobEvent
{
    /// <summary>The job's revision when they were looked at; what was seen of an older one changes nothing.</summary>
    [Id(0)] public long Revision { get; init; }

    /// <summary>The members.</summary>
    [Id(2)] public required ImmutableArray<ObservedMember> Members { get; init; }

    /// <summary>The furthest step recorded under the lineage by generations that were the newest then.</summary>
    [Id(3)] public long CommittedStep { get; init; }

    /// <summary>The generation whose steps commit, as storage has it; higher than the job's when the coordinator was killed in between.</summary>
    [Id(4)] public int RecordedGeneration { get; init; }

    /// <summary>Whether the cause of a broken generation has been waited for long enough.</summary>
    [Id(5)] public bool CauseAwaited { get; init; }

    /// <summary>Whether members that get ready have been waited for long enough.</summary>
    [Id(6)] public bool StartAwaited { get; init; }

    /// <summary>Whether slots and members for a handover have been waited for long enough.</summary>
    [Id(7)] public bool HandoverAwaited { get; init; }
}

/// <summary>Something is wrong that does not end the job, such as a checkpoint that cannot be written.</summary>
/// <param name="Worker">The worker whose rank tells it.</param>
/// <param name="Text">What, in words for people.</param>
[GenerateSerializer, Immutable, Alias("linformer.job-warned")]
public sealed record JobWarned([property: Id(0)] string Worker, [property: Id(1)] string Text) : JobEvent;

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
