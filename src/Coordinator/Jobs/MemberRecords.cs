using System.Collections.Immutable;

namespace Linformer.Coordinator.Jobs;

/// <summary>A slot of a worker.</summary>
/// <param name="Worker">The worker's name.</param>
/// <param name="Slot">The slot's number.</param>
[GenerateSerializer, Immutable, Alias("linformer.place")]
public sealed record Place([property: Id(0)] string Worker, [property: Id(1)] int Slot);

/// <summary>
/// A member of a job: a rank process with its slot. It outlives generations; which rank it is, the <see cref="GenerationPlan"/> says.
/// </summary>
/// <param name="Member">Its number within the job, from 1 on, never used again.</param>
/// <param name="Worker">The worker's name.</param>
/// <param name="Slot">The worker's slot.</param>
/// <param name="At">From when on the worker should run it.</param>
[GenerateSerializer, Immutable, Alias("linformer.placement")]
public sealed record Placement(
    [property: Id(0)] int Member, [property: Id(1)] string Worker, [property: Id(2)] int Slot, [property: Id(3)] DateTimeOffset At);

/// <summary>Where a generation's ranks take model and optimizer from.</summary>
[GenerateSerializer, Alias("linformer.state-source")]
public enum StateSource
{
    /// <summary>The furthest step that one of them holds in this lineage; if none does, the newest checkpoint that is whole; else anew.</summary>
    Newest = 0,

    /// <summary>Ranks that hold the furthest committed step, or a later one; a checkpoint will not do.</summary>
    Survivors = 1,
}

/// <summary>A generation of a job: which members form it, and how.</summary>
[GenerateSerializer, Immutable, Alias("linformer.generation-plan")]
public sealed record GenerationPlan
{
    /// <summary>The lineage.</summary>
    [Id(0)] public int Lineage { get; init; }

    /// <summary>The generation.</summary>
    [Id(1)] public int Generation { get; init; }

    /// <summary>The members by rank: the first is rank 0.</summary>
    [Id(2)] public ImmutableArray<int> Members { get; init; } = [];

    /// <summary>Where their state comes from.</summary>
    [Id(3)] public StateSource Source { get; init; }

    /// <summary>Whether they leave the generation before at once rather than at the next step boundary.</summary>
    [Id(4)] public bool AtOnce { get; init; }

    /// <summary>The furthest step that was committed before.</summary>
    [Id(5)] public long CommittedBefore { get; init; }

    /// <summary>
    /// Where ranks share out the state: the members, by rank, of the generation before over which it was cut until this one's ranks had
    /// cut it anew. Empty where there was none.
    /// </summary>
    [Id(6)] public ImmutableArray<int> CutBefore { get; init; } = [];

    /// <summary>The rank of a member; -1 for one that is not in it.</summary>
    public int RankOf(int member) => Members.IndexOf(member);

    /// <summary>Whether it is known that its ranks have taken over the state, and with it cut it anew.</summary>
    /// <param name="seen">What is seen of the job's members.</param>
    public bool IsCut(JobObserved seen) => seen.CommittedStep > CommittedBefore || seen.Members.Any(member =>
        member.Condition is MemberCondition.Training or MemberCondition.Stopping && (member.Lineage, member.Generation) == (Lineage, Generation));

    /// <summary>Whether both are the same.</summary>
    public bool Equals(GenerationPlan? other) =>
        other is not null && (Lineage, Generation, Source, AtOnce, CommittedBefore) == (other.Lineage, other.Generation, other.Source, other.AtOnce, other.CommittedBefore)
        && Members.AsSpan().SequenceEqual(other.Members.AsSpan()) && CutBefore.AsSpan().SequenceEqual(other.CutBefore.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Lineage, Generation, Members.Length);
}

/// <summary>A member whose own time for a step is far above that of the others.</summary>
/// <param name="Member">The member.</param>
/// <param name="Factor">How many times the others' step time it took when that was noticed.</param>
[GenerateSerializer, Immutable, Alias("linformer.slow-member")]
public sealed record SlowMember([property: Id(0)] int Member, [property: Id(1)] double Factor);

/// <summary>How a member is.</summary>
[GenerateSerializer, Alias("linformer.member-condition")]
public enum MemberCondition
{
    /// <summary>Assigned; its worker has not taken it up yet.</summary>
    Assigned = 0,

    /// <summary>
    /// Its worker's connection is gone and its lease not over, or it is not back after a start or a standstill of the coordinator: the
    /// member may live and hold state, but nothing can be told to it.
    /// </summary>
    Absent = 1,

    /// <summary>Its process starts.</summary>
    Starting = 2,

    /// <summary>In no generation: waits for one that is newer than what it was in.</summary>
    Waiting = 3,

    /// <summary>Connects with the other ranks of its generation and takes over state.</summary>
    Joining = 4,

    /// <summary>Trains.</summary>
    Training = 5,

    /// <summary>Was asked to write a checkpoint and end.</summary>
    Stopping = 6,

    /// <summary>Has ended; all of the job is done.</summary>
    Finished = 7,

    /// <summary>Has ended as asked, with a checkpoint.</summary>
    Stopped = 8,

    /// <summary>Has failed.</summary>
    Failed = 9,

    /// <summary>Its worker is lost, or has come back without it.</summary>
    Lost = 10,
}

/// <summary>A step whose loss is bad; nothing of it was applied.</summary>
/// <param name="Step">The step.</param>
/// <param name="Reason">What is bad: "the loss of step 100 is NaN".</param>
[GenerateSerializer, Immutable, Alias("linformer.bad-loss")]
public sealed record BadLossReport([property: Id(0)] long Step, [property: Id(1)] string Reason);

/// <summary>What is seen of a member.</summary>
[GenerateSerializer, Immutable, Alias("linformer.observed-member")]
public sealed record ObservedMember
{
    /// <summary>The member.</summary>
    [Id(0)] public required int Member { get; init; }

    /// <summary>Its worker.</summary>
    [Id(1)] public required string Worker { get; init; }

    /// <summary>How it is.</summary>
    [Id(2)] public required MemberCondition Condition { get; init; }

    /// <summary>The lineage of <see cref="Generation"/>.</summary>
    [Id(3)] public int Lineage { get; init; }

    /// <summary>The generation that it is in, or was in last; 0 for none.</summary>
    [Id(4)] public int Generation { get; init; }

    /// <summary>The last step that it has told it applied; it may be further by now while it trains.</summary>
    [Id(5)] public long AppliedStep { get; init; }

    /// <summary>Whether it holds the model and optimizer of that step in memory.</summary>
    [Id(6)] public bool HoldsState { get; init; }

    /// <summary>Why its generation broke, as a predicate; empty when it left at a step boundary.</summary>
    [Id(7)] public string Broken { get; init; } = "";

    /// <summary>Why its worker leaves, as a sentence without its end; empty when it does not.</summary>
    [Id(8)] public string Leaving { get; init; } = "";

    /// <summary>A bad loss that asks for a new lineage.</summary>
    [Id(9)] public BadLossReport? BadLoss { get; init; }

    /// <summary>How it failed.</summary>
    [Id(10)] public FailedRank? Failure { get; init; }

    /// <summary>What it said at its end, as JSON.</summary>
    [Id(11)] public string? Summary { get; init; }

    /// <summary>Why it is lost, where more is known than that its worker is.</summary>
    [Id(12)] public string Why { get; init; } = "";

    /// <summary>Whether it can be told to form a generation.</summary>
    public bool IsAvailable => Condition is MemberCondition.Waiting or MemberCondition.Joining or MemberCondition.Training;

    /// <summary>Whether it has ended as it should.</summary>
    public bool HasEndedWell => Condition is MemberCondition.Finished or MemberCondition.Stopped;

    /// <summary>Whether it is gone for good without having ended as it should.</summary>
    public bool IsGone => Condition is MemberCondition.Failed or MemberCondition.Lost;
}
