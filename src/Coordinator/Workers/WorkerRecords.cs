using System.Collections.Immutable;
using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Protocol;

namespace Linformer.Coordinator.Workers;

/// <summary>Who an agent is.</summary>
[GenerateSerializer, Immutable, Alias("linformer.worker-identity")]
public sealed record WorkerIdentity
{
    /// <summary>Its name, a DNS label.</summary>
    [Id(0)] public required string Name { get; init; }

    /// <summary>New for every start of its process.</summary>
    [Id(1)] public required string InstanceId { get; init; }

    /// <summary>Its version.</summary>
    [Id(2)] public string Version { get; init; } = "";

    /// <summary>Its machine.</summary>
    [Id(3)] public string Host { get; init; } = "";

    /// <summary>Its process.</summary>
    [Id(4)] public int ProcessId { get; init; }

    /// <summary>The address under which other workers reach its ranks.</summary>
    [Id(5)] public string Address { get; init; } = "";

    /// <summary>Its slots.</summary>
    [Id(6)] public ImmutableArray<WorkerSlot> Slots { get; init; } = [];

    /// <summary>Whether it runs code of whoever submits jobs.</summary>
    [Id(7)] public bool AllowsPlugins { get; init; }
}

/// <summary>What one rank occupies.</summary>
/// <param name="Number">Its number on the worker.</param>
/// <param name="Device"><c>cpu</c> or <c>cuda</c>.</param>
/// <param name="Gpu">The GPU of a <c>cuda</c> slot; null where the agent does not tell.</param>
/// <param name="Bfloat16">Whether it multiplies matrices of bfloat16 in hardware; false where the agent does not tell.</param>
/// <param name="MemoryBytes">Memory that its rank may take; 0 where the agent does not tell.</param>
[GenerateSerializer, Immutable, Alias("linformer.worker-slot")]
public sealed record WorkerSlot(
    [property: Id(0)] int Number,
    [property: Id(1)] string Device,
    [property: Id(2)] WorkerGpu? Gpu = null,
    [property: Id(3)] bool Bfloat16 = false,
    [property: Id(4)] long MemoryBytes = 0)
{
    /// <summary>What a job's settings depend on.</summary>
    public SlotFacts ToFacts() => new(Device, Bfloat16, MemoryBytes);
}

/// <summary>A GPU as its driver names it.</summary>
/// <param name="Uuid">Such as <c>GPU-8f0c…</c>.</param>
/// <param name="Name">Its model.</param>
/// <param name="MemoryBytes">All its memory.</param>
[GenerateSerializer, Immutable, Alias("linformer.worker-gpu")]
public sealed record WorkerGpu([property: Id(0)] string Uuid, [property: Id(1)] string Name, [property: Id(2)] long MemoryBytes);

/// <summary>How the GPU of a slot is doing.</summary>
/// <param name="Slot">The slot.</param>
/// <param name="UsedMemoryBytes">Memory that is taken, by whomever.</param>
/// <param name="Temperature">In degrees Celsius; 0 where the driver does not tell.</param>
/// <param name="Utilization">Of the time, in which something was computed, in percent.</param>
[GenerateSerializer, Immutable, Alias("linformer.worker-gpu-reading")]
public sealed record WorkerGpuReading(
    [property: Id(0)] int Slot, [property: Id(1)] long UsedMemoryBytes, [property: Id(2)] int Temperature, [property: Id(3)] int Utilization);

/// <summary>How busy a worker's machine is.</summary>
/// <param name="ProcessorPercent">Of the time of all processors, in percent, 0 to 100.</param>
/// <param name="Processors">How many there are.</param>
/// <param name="UsedMemoryBytes">Memory that is taken, at most <paramref name="MemoryBytes"/>.</param>
/// <param name="MemoryBytes">All memory.</param>
/// <param name="FreeStorageBytes">Free on the file system of the shared storage.</param>
[GenerateSerializer, Immutable, Alias("linformer.worker-load")]
public sealed record WorkerLoad(
    [property: Id(0)] double ProcessorPercent,
    [property: Id(1)] int Processors,
    [property: Id(2)] long UsedMemoryBytes,
    [property: Id(3)] long MemoryBytes,
    [property: Id(4)] long FreeStorageBytes);

/// <summary>What an agent is doing, whole.</summary>
[GenerateSerializer, Immutable, Alias("linformer.worker-status")]
public sealed record WorkerStatus
{
    /// <summary>Its members by job.</summary>
    [Id(0)] public ImmutableArray<ReportedGroup> Groups { get; init; } = [];

    /// <summary>Its leases, ended ones too while they are assigned.</summary>
    [Id(1)] public ImmutableArray<ReportedLease> Leases { get; init; } = [];

    /// <summary>It wants to leave.</summary>
    [Id(2)] public bool Draining { get; init; }

    /// <summary>The newest assignment that it has taken up.</summary>
    [Id(3)] public long AssignmentRevision { get; init; }

    /// <summary>Metric points that it had to drop since its start.</summary>
    [Id(4)] public long LostMetricPoints { get; init; }

    /// <summary>Log lines that it had to drop since its start.</summary>
    [Id(5)] public long LostLogLines { get; init; }

    /// <summary>The newest readings of its GPUs; in a report, those that have changed.</summary>
    [Id(6)] public ImmutableArray<WorkerGpuReading> GpuReadings { get; init; } = [];

    /// <summary>Why it can take nothing new now, as a clause; empty when it can.</summary>
    [Id(7)] public string Unfit { get; init; } = "";

    /// <summary>The newest reading of its machine; null before the first, and in a report without a new one.</summary>
    [Id(8)] public WorkerLoad? Load { get; init; }

    /// <summary>This status, with the readings of an earlier one where it has none.</summary>
    /// <param name="before">The earlier one.</param>
    public WorkerStatus WithReadingsOf(WorkerStatus before) => this with
    {
        GpuReadings = [.. GpuReadings.Concat(before.GpuReadings).DistinctBy(reading => reading.Slot).OrderBy(reading => reading.Slot)],
        Load = Load ?? before.Load,
    };
}

/// <summary>A job's members on a worker, as its agent reports them.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Members">They; ended ones too while they are assigned.</param>
[GenerateSerializer, Immutable, Alias("linformer.reported-group")]
public sealed record ReportedGroup([property: Id(0)] string JobId, [property: Id(1)] ImmutableArray<ReportedMember> Members);

/// <summary>A member as its agent reports it.</summary>
[GenerateSerializer, Immutable, Alias("linformer.reported-member")]
public sealed record ReportedMember
{
    /// <summary>The member.</summary>
    [Id(0)] public required int Member { get; init; }

    /// <summary>
    /// How it is: <see cref="MemberCondition.Starting"/> to <see cref="MemberCondition.Stopping"/>, or how it ended, from
    /// <see cref="MemberCondition.Finished"/> to <see cref="MemberCondition.Failed"/>.
    /// </summary>
    [Id(1)] public required MemberCondition Condition { get; init; }

    /// <summary>Its process.</summary>
    [Id(2)] public int ProcessId { get; init; }

    /// <summary>The lineage of <see cref="Generation"/>.</summary>
    [Id(3)] public int Lineage { get; init; }

    /// <summary>The generation that it is in, or was in last; 0 for none.</summary>
    [Id(4)] public int Generation { get; init; }

    /// <summary>The last step that it applied.</summary>
    [Id(5)] public long AppliedStep { get; init; }

    /// <summary>Whether it holds that step's model and optimizer in memory.</summary>
    [Id(6)] public bool HoldsState { get; init; }

    /// <summary>How it failed.</summary>
    [Id(7)] public FailedRank? Failure { get; init; }

    /// <summary>What it said at its end, as JSON.</summary>
    [Id(8)] public string? Summary { get; init; }

    /// <summary>Why its generation broke, as a predicate; empty when it left at a step boundary.</summary>
    [Id(9)] public string Broken { get; init; } = "";

    /// <summary>Its own time for a step in milliseconds, waits for others left out; 0 before the first.</summary>
    [Id(10)] public double StepMilliseconds { get; init; }

    /// <summary>A bad loss that asks for a new lineage.</summary>
    [Id(11)] public BadLossReport? BadLoss { get; init; }

    /// <summary>Whether its process lives.</summary>
    public bool IsAlive => Condition < MemberCondition.Finished;
}

/// <summary>What an agent should be doing, whole.</summary>
/// <param name="Revision">Grows with every change; given by the grain.</param>
/// <param name="Groups">The members by job.</param>
/// <param name="Leases">The leases.</param>
[GenerateSerializer, Immutable, Alias("linformer.worker-assignment")]
public sealed record WorkerAssignment(
    [property: Id(0)] long Revision, [property: Id(1)] ImmutableArray<AssignedGroup> Groups, [property: Id(2)] ImmutableArray<AssignedLease> Leases);

/// <summary>A job's members that a worker should run, and the generation that they form with those of other workers.</summary>
[GenerateSerializer, Immutable, Alias("linformer.assigned-group")]
public sealed record AssignedGroup
{
    /// <summary>The job's id.</summary>
    [Id(0)] public required string JobId { get; init; }

    /// <summary>Its name.</summary>
    [Id(1)] public required string JobName { get; init; }

    /// <summary>The members on this worker.</summary>
    [Id(2)] public ImmutableArray<Placement> Members { get; init; } = [];

    /// <summary>The newest generation; null while the job's members only get ready.</summary>
    [Id(3)] public GenerationPlan? Plan { get; init; }

    /// <summary>The changes of lineage so far.</summary>
    [Id(4)] public ImmutableArray<LineageChange> Lineages { get; init; } = [];

    /// <summary>The job file with all settings resolved, as JSON.</summary>
    [Id(6)] public required string JobJson { get; init; }

    /// <summary>Threads of each rank.</summary>
    [Id(7)] public int Threads { get; init; }

    /// <summary>The corpus's folder, relative to the storage root.</summary>
    [Id(8)] public required string CorpusFolder { get; init; }

    /// <summary>Whether to finish the step, write a checkpoint and end.</summary>
    [Id(9)] public bool Stop { get; init; }

    /// <summary>Whether both ask for the same.</summary>
    public bool Equals(AssignedGroup? other) =>
        other is not null
        && (JobId, JobName, JobJson, Threads, CorpusFolder, Stop) == (other.JobId, other.JobName, other.JobJson, other.Threads, other.CorpusFolder, other.Stop)
        && Equals(Plan, other.Plan) && Members.AsSpan().SequenceEqual(other.Members.AsSpan()) && Lineages.AsSpan().SequenceEqual(other.Lineages.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(JobId, Plan, Members.Length, Stop);
}

/// <summary>How a worker is.</summary>
[GenerateSerializer, Immutable, Alias("linformer.worker-view")]
public sealed record WorkerView
{
    /// <summary>Who it is.</summary>
    [Id(0)] public required WorkerIdentity Identity { get; init; }

    /// <summary>Whether its agent has been heard within its lease.</summary>
    [Id(1)] public bool Alive { get; init; }

    /// <summary>Whether its agent has reported since the coordinator started; until then what it does is not known.</summary>
    [Id(2)] public bool Reported { get; init; }

    /// <summary>When its agent connected.</summary>
    [Id(3)] public DateTimeOffset ConnectedAt { get; init; }

    /// <summary>When it was last heard.</summary>
    [Id(4)] public DateTimeOffset LastSeen { get; init; }

    /// <summary>Its newest status.</summary>
    [Id(5)] public WorkerStatus Status { get; init; } = new();

    /// <summary>The newest assignment.</summary>
    [Id(6)] public WorkerAssignment Assignment { get; init; } = new(0, [], []);

    /// <summary>Whether it has left on its own, and is not expected back.</summary>
    [Id(7)] public bool Left { get; init; }

    /// <summary>Who has drained it and why, in words; empty when nobody has.</summary>
    [Id(8)] public string Drained { get; init; } = "";

    /// <summary>Whether its agent's stream is open: until it is again, nothing can be told to it, and its lease runs on.</summary>
    [Id(9)] public bool Connected { get; init; } = true;

    /// <summary>Whether it was not heard of since its grain began to listen anew, which is less than a lease ago.</summary>
    [Id(10)] public bool IsAwaited { get; init; }

    /// <summary>Whether it gets nothing new, and whoever runs there hands over.</summary>
    public bool IsLeaving => Status.Draining || Drained.Length > 0;

    /// <summary>Whether it may get something new.</summary>
    public bool TakesNew => !IsLeaving && Status.Unfit.Length == 0;

    /// <summary>Why, as a sentence without its end; empty when it does not leave.</summary>
    public string WhyLeaving => Drained.Length > 0 ? $"worker {Identity.Name} is drained by {Drained}" : Status.Draining ? $"worker {Identity.Name} leaves" : "";
}

/// <summary>An agent that cannot have the name, or has lost it. The message is for its operator.</summary>
[GenerateSerializer, Alias("linformer.worker-refused")]
public sealed class WorkerRefusedException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">For the operator.</param>
    public WorkerRefusedException(string message)
        : base(message)
    {
    }
}
