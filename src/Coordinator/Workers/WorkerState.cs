namespace Linformer.Coordinator.Workers;

/// <summary>What a worker's grain stores: who it is. What it does comes with its next status.</summary>
[GenerateSerializer, Immutable, Alias("linformer.worker-state")]
public sealed record WorkerState
{
    /// <summary>Who connected last; null before anybody did.</summary>
    [Id(0)] public WorkerIdentity? Identity { get; init; }

    /// <summary>When that was.</summary>
    [Id(1)] public DateTimeOffset ConnectedAt { get; init; }

    /// <summary>Whether it has left on its own: its name is free at once.</summary>
    [Id(2)] public bool Left { get; init; }

    /// <summary>Who has drained it and why, in words; empty when nobody has. It stays when the agent is started again.</summary>
    [Id(3)] public string Drained { get; init; } = "";
}
