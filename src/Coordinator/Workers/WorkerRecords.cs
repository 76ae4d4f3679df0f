using System.Collections.Immutable;
using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Workers;

/// <summary>Who an agent is.</summary>
[GenerateSerializer, Alias("linformer.worker-identity")]
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
}

/// <summary>What one rank occupies.</summary>
/// <param name="Number">Its number on the worker.</param>
/// <param name="Device"><c>cpu</c> or <c>cuda</c>.</param>
[GenerateSerializer, Alias("linformer.worker-slot")]
public sealed record WorkerSlot([property: Id(0)] int Number, [property: Id(1)] string Device);

/// <summary>What an agent is doing, whole.</summary>
[GenerateSerializer, Alias("linformer.worker-status")]
public sealed record WorkerStatus
{
    /// <summary>Its rank groups, ended ones too while they are assigned.</summary>
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
}

/// <summary>A generation's ranks on a worker, as its agent reports them.</summary>
[GenerateSerializer, Alias("linformer.reported-group")]
public sealed record ReportedGroup
{
    /// <summary>The job.</summary>
    [Id(0)] public required string JobId { get; init; }

    /// <summary>The lineage.</summary>
    [Id(1)] public int Lineage { get; init; }

    /// <summary>The generation.</summary>
    [Id(2)] public int Generation { get; init; }

    /// <summary><see cref="GroupCondition.Alive"/>, or how it ended.</summary>
    [Id(3)] public GroupCondition Condition { get; init; }

    /// <summary>For people: starting, running, stopping, ended.</summary>
    [Id(4)] public string Phase { get; init; } = "";

    /// <summary>Its ranks.</summary>
    [Id(5)] public ImmutableArray<ReportedRank> Ranks { get; init; } = [];

    /// <summary>Ranks that failed, the cause first.</summary>
    [Id(6)] public ImmutableArray<FailedRank> Failures { get; init; } = [];

    /// <summary>What rank 0 said at the end, as JSON.</summary>
    [Id(7)] public string? Summary { get; init; }
}

/// <summary>A rank as its agent reports it.</summary>
/// <param name="Rank">The rank.</param>
/// <param name="ProcessId">Its process.</param>
/// <param name="AppliedStep">The last step that it applied.</param>
/// <param name="HoldsState">Whether it holds that step's model in memory.</param>
[GenerateSerializer, Alias("linformer.reported-rank")]
public sealed record ReportedRank(
    [property: Id(0)] int Rank, [property: Id(1)] int ProcessId, [property: Id(2)] long AppliedStep, [property: Id(3)] bool HoldsState);

/// <summary>What an agent should be doing, whole.</summary>
/// <param name="Revision">Grows with every change; given by the grain.</param>
/// <param name="Groups">The rank groups.</param>
/// <param name="Leases">The leases.</param>
[GenerateSerializer, Alias("linformer.worker-assignment")]
public sealed record WorkerAssignment(
    [property: Id(0)] long Revision, [property: Id(1)] ImmutableArray<AssignedGroup> Groups, [property: Id(2)] ImmutableArray<AssignedLease> Leases);

/// <summary>The ranks of one generation that a worker should run.</summary>
[GenerateSerializer, Alias("linformer.assigned-group")]
public sealed record AssignedGroup
{
    /// <summary>The job's id.</summary>
    [Id(0)] public required string JobId { get; init; }

    /// <summary>Its name.</summary>
    [Id(1)] public required string JobName { get; init; }

    /// <summary>The lineage.</summary>
    [Id(2)] public int Lineage { get; init; }

    /// <summary>The generation.</summary>
    [Id(3)] public int Generation { get; init; }

    /// <summary>All its ranks, on all workers.</summary>
    [Id(4)] public int WorldSize { get; init; }

    /// <summary>Those on this worker.</summary>
    [Id(5)] public ImmutableArray<Placement> Ranks { get; init; } = [];

    /// <summary>The job file with all settings resolved, as JSON.</summary>
    [Id(6)] public required string JobJson { get; init; }

    /// <summary>Threads of each rank.</summary>
    [Id(7)] public int Threads { get; init; }

    /// <summary>The corpus's folder, relative to the storage root.</summary>
    [Id(8)] public required string CorpusFolder { get; init; }

    /// <summary>Whether to finish the step, write a checkpoint and end.</summary>
    [Id(9)] public bool Stop { get; init; }

    /// <summary>The furthest step that was committed before this generation.</summary>
    [Id(10)] public long CommittedStep { get; init; }
}

/// <summary>How a worker is.</summary>
[GenerateSerializer, Alias("linformer.worker-view")]
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
