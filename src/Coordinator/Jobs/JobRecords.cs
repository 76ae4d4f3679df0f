using System.Collections.Immutable;

namespace Linformer.Coordinator.Jobs;

/// <summary>Where a job stands.</summary>
[GenerateSerializer, Alias("linformer.job-phase")]
public enum JobPhase
{
    /// <summary>Waits for slots.</summary>
    Queued = 1,

    /// <summary>Has slots; its corpus is being sharded, or found sharded.</summary>
    Preparing = 2,

    /// <summary>Its ranks are started or train.</summary>
    Running = 3,

    /// <summary>Stopped by a person, with a checkpoint; has no slots.</summary>
    Paused = 4,

    /// <summary>Has a model.</summary>
    Succeeded = 5,

    /// <summary>Cannot go on.</summary>
    Failed = 6,

    /// <summary>Ended by a person.</summary>
    Cancelled = 7,
}

/// <summary>What a person wants of a job.</summary>
[GenerateSerializer, Alias("linformer.job-wish")]
public enum JobWish
{
    /// <summary>To the end.</summary>
    Train = 0,

    /// <summary>A checkpoint, then no ranks until it is resumed.</summary>
    Pause = 1,
}

/// <summary>A new job.</summary>
/// <param name="JobId">Its id.</param>
/// <param name="Name">The name in its job file.</param>
/// <param name="JobJson">The job file with all settings resolved, as JSON.</param>
/// <param name="Submitter">Who submits, such as <c>person:ada</c>.</param>
/// <param name="SubmittedAt">When.</param>
[GenerateSerializer, Immutable, Alias("linformer.job-submission")]
public sealed record JobSubmission(
    [property: Id(0)] string JobId,
    [property: Id(1)] string Name,
    [property: Id(2)] string JobJson,
    [property: Id(3)] string Submitter,
    [property: Id(4)] DateTimeOffset SubmittedAt);

/// <summary>A person's wish to pause, resume or cancel.</summary>
/// <param name="Who">Who, such as <c>person:ada</c>.</param>
/// <param name="Why">Why; may be empty.</param>
[GenerateSerializer, Immutable, Alias("linformer.job-change")]
public sealed record JobChange([property: Id(0)] string Who, [property: Id(1)] string Why);

/// <summary>How a job is deleted.</summary>
/// <param name="KeepModel">Whether its model's folder stays.</param>
[GenerateSerializer, Immutable, Alias("linformer.job-deletion")]
public sealed record JobDeletion([property: Id(0)] bool KeepModel);

/// <summary>A job's corpus, once it is ready.</summary>
/// <param name="CorpusId">The corpus.</param>
/// <param name="Fingerprint">What decides its tokens.</param>
/// <param name="Folder">Its folder, relative to the storage root.</param>
[GenerateSerializer, Immutable, Alias("linformer.job-corpus")]
public sealed record JobCorpus([property: Id(0)] string CorpusId, [property: Id(1)] string Fingerprint, [property: Id(2)] string Folder);

/// <summary>How a rank failed.</summary>
/// <param name="Generation">In which generation.</param>
/// <param name="Rank">The rank; -1 for a process that was in no generation.</param>
/// <param name="Worker">Its worker.</param>
/// <param name="ExitCode">The exit code; 128 + n after signal n.</param>
/// <param name="Signal">The signal's name, such as SIGKILL; empty when none ended it.</param>
/// <param name="Reason">What happened, as a predicate: "was ended by SIGKILL …".</param>
/// <param name="LastLogLines">Its last log lines, at most 20.</param>
/// <param name="Permanent">Whether another try would end the same way.</param>
/// <param name="PeerLost">Whether it only lost a peer.</param>
/// <param name="Member">The process.</param>
/// <param name="Step">The step that it was at.</param>
[GenerateSerializer, Immutable, Alias("linformer.failed-rank")]
public sealed record FailedRank(
    [property: Id(0)] int Generation,
    [property: Id(1)] int Rank,
    [property: Id(2)] string Worker,
    [property: Id(3)] int ExitCode,
    [property: Id(4)] string Signal,
    [property: Id(5)] string Reason,
    [property: Id(6)] ImmutableArray<string> LastLogLines,
    [property: Id(7)] bool Permanent,
    [property: Id(8)] bool PeerLost,
    [property: Id(9)] int Member = 0,
    [property: Id(10)] long Step = 0);

/// <summary>An entry of a job's history: who changed what, when and why.</summary>
/// <param name="Sequence">From 1 on, without gaps.</param>
/// <param name="At">When.</param>
/// <param name="Who"><c>person:NAME</c>, <c>worker:NAME</c> or <c>coordinator</c>.</param>
/// <param name="What">What has happened.</param>
/// <param name="Why">Why; empty when it goes without saying.</param>
/// <param name="Phase">The job's phase afterwards.</param>
/// <param name="Lineage">The lineage.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Step">The committed step.</param>
[GenerateSerializer, Immutable, Alias("linformer.history-entry")]
public sealed record JobHistoryEntry(
    [property: Id(0)] long Sequence,
    [property: Id(1)] DateTimeOffset At,
    [property: Id(2)] string Who,
    [property: Id(3)] string What,
    [property: Id(4)] string Why,
    [property: Id(5)] JobPhase Phase,
    [property: Id(6)] int Lineage,
    [property: Id(7)] int Generation,
    [property: Id(8)] long Step);

/// <summary>A job as its grain knows it. Metrics and logs are in the telemetry tables.</summary>
[GenerateSerializer, Immutable, Alias("linformer.job-view")]
public sealed record JobView
{
    /// <summary>The job's id.</summary>
    [Id(0)] public required string JobId { get; init; }

    /// <summary>The name in its job file.</summary>
    [Id(1)] public required string Name { get; init; }

    /// <summary>Where it stands.</summary>
    [Id(2)] public required JobPhase Phase { get; init; }

    /// <summary>Why, or what it waits for.</summary>
    [Id(3)] public string Reason { get; init; } = "";

    /// <summary>What a person wants of it.</summary>
    [Id(4)] public JobWish Wish { get; init; }

    /// <summary>The job file with all settings resolved, as JSON.</summary>
    [Id(5)] public required string JobJson { get; init; }

    /// <summary>Order among waiting jobs: a higher number first.</summary>
    [Id(6)] public int Priority { get; init; }

    /// <summary>Fewest ranks.</summary>
    [Id(7)] public int RanksMin { get; init; }

    /// <summary>Most ranks.</summary>
    [Id(8)] public int RanksMax { get; init; }

    /// <summary>Threads of each rank.</summary>
    [Id(9)] public int Threads { get; init; }

    /// <summary>Steps of the job.</summary>
    [Id(10)] public long TotalSteps { get; init; }

    /// <summary>Who submitted it.</summary>
    [Id(11)] public required string Submitter { get; init; }

    /// <summary>When.</summary>
    [Id(12)] public DateTimeOffset SubmittedAt { get; init; }

    /// <summary>When its first generation started.</summary>
    [Id(13)] public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it ended.</summary>
    [Id(14)] public DateTimeOffset? EndedAt { get; init; }

    /// <summary>The lineage.</summary>
    [Id(15)] public int Lineage { get; init; }

    /// <summary>The newest generation; 0 before the first.</summary>
    [Id(16)] public int Generation { get; init; }

    /// <summary>Its members with their slots, by number; reserved while it prepares. Empty when it has none.</summary>
    [Id(17)] public ImmutableArray<Placement> Placements { get; init; } = [];

    /// <summary>Gets no slots before this time, after a failure; null for at once.</summary>
    [Id(18)] public DateTimeOffset? NotBefore { get; init; }

    /// <summary>Its corpus, once it is ready.</summary>
    [Id(19)] public JobCorpus? Corpus { get; init; }

    /// <summary>The newest failure; kept when the job goes on.</summary>
    [Id(20)] public FailedRank? LastFailure { get; init; }

    /// <summary>What rank 0 said at the end, as JSON.</summary>
    [Id(21)] public string? Summary { get; init; }

    /// <summary>Whether the newest generation is to stop with a checkpoint, for a pause or because a worker leaves.</summary>
    [Id(23)] public bool Stopping { get; init; }

    /// <summary>Goes up with every change.</summary>
    [Id(24)] public long Revision { get; init; }

    /// <summary>Counts the times that it got slots and asked for its corpus.</summary>
    [Id(25)] public int Preparations { get; init; }

    /// <summary>The ranks of the newest generation; kept when it has ended.</summary>
    [Id(27)] public int WorldSize { get; init; }

    /// <summary>The only device whose slots it takes, <c>cpu</c> or <c>cuda</c>; empty for any.</summary>
    [Id(28)] public string Device { get; init; } = "";

    /// <summary>The newest generation while the job runs; null while its first members get ready, and when it does not run.</summary>
    [Id(29)] public GenerationPlan? Plan { get; init; }

    /// <summary>The highest number of a member so far.</summary>
    [Id(30)] public int LastMember { get; init; }

    /// <summary>The changes of lineage so far, in order.</summary>
    [Id(31)] public ImmutableArray<LineageChange> Lineages { get; init; } = [];

    /// <summary>No generation of the same members before this time, after they broke without a cause that is known; null for at once.</summary>
    [Id(32)] public DateTimeOffset? RegroupAt { get; init; }

    /// <summary>Members that are far slower than the others.</summary>
    [Id(33)] public ImmutableArray<SlowMember> Slow { get; init; } = [];

    /// <summary>Set once it is being deleted: nothing else happens with it then.</summary>
    [Id(34)] public JobDeletion? Deletion { get; init; }

    /// <summary>Whether it has no corpus, so that its ranks start as soon as it has slots.</summary>
    [Id(35)] public bool WithoutCorpus { get; init; }

    /// <summary>Whether it runs code of its submitter's, which only workers that allow it take.</summary>
    [Id(36)] public bool IsPlugin { get; init; }

    /// <summary>Whether its ranks share out the optimizer's state, so that one of them alone does not hold all of it.</summary>
    [Id(37)] public bool SharesState { get; init; }

    /// <summary>Under what it asks for its corpus: another for each preparation, since files may have changed in between.</summary>
    public string CorpusAsker => $"{JobId}/{Preparations}";

    /// <summary>Whether its members are to write a checkpoint and end, and are all there that can.</summary>
    public bool IsStopped => Stopping && (Plan is null || Plan.Members.All(member => Placements.Any(placement => placement.Member == member)));

    /// <summary>Whether it has ended for good.</summary>
    public bool HasEnded => Phase is JobPhase.Succeeded or JobPhase.Failed or JobPhase.Cancelled;
}
