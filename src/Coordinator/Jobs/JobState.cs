using System.Collections.Immutable;

namespace Linformer.Coordinator.Jobs;

/// <summary>What a job's grain stores: small, and written as a whole with every change.</summary>
[GenerateSerializer, Immutable, Alias("linformer.job-state")]
public sealed record JobState
{
    /// <summary>The job; null before it is created.</summary>
    [Id(0)] public JobView? View { get; init; }

    /// <summary>History entries that may not be in the table yet, in order.</summary>
    [Id(1)] public ImmutableArray<JobHistoryEntry> Outbox { get; init; } = [];

    /// <summary>The number of the newest history entry.</summary>
    [Id(2)] public long HistorySequence { get; init; }

    /// <summary>The furthest committed step that the job has heard of.</summary>
    [Id(3)] public long CommittedStep { get; init; }

    /// <summary>Failures since a step was last committed; lost workers do not count.</summary>
    [Id(4)] public int FailuresInRow { get; init; }

    /// <summary>Generations that lost members or broke since a step was last committed, lost workers included.</summary>
    [Id(5)] public int BadEndsInRow { get; init; }

    /// <summary>The committed step when a generation last lost a member or broke.</summary>
    [Id(6)] public long CommittedAtBadEnd { get; init; }

    /// <summary>Whether the corpus has to be found unchanged before the next generation.</summary>
    [Id(7)] public bool CorpusToCheck { get; init; }

    /// <summary>Members in a row that failed before they were in a generation.</summary>
    [Id(8)] public int StartFailuresInRow { get; init; }

    /// <summary>Generations in a row that broke with none of their members gone, since a step was last committed.</summary>
    [Id(9)] public int BreaksInRow { get; init; }

    /// <summary>Kinds of warnings that are in the history of late.</summary>
    [Id(11)] public ImmutableArray<WarnedKind> Warned { get; init; } = [];

    /// <summary>When a loss of members was last counted; what follows within a moment belongs to it.</summary>
    [Id(10)] public DateTimeOffset? LossCountedAt { get; init; }
}

/// <summary>A kind of warning that the history has.</summary>
/// <param name="Kind">Its text, whatever its numbers.</param>
/// <param name="At">When it was told.</param>
[GenerateSerializer, Immutable, Alias("linformer.warned-kind")]
public sealed record WarnedKind([property: Id(0)] string Kind, [property: Id(1)] DateTimeOffset At);
