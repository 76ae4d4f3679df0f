namespace Linformer.Coordinator.Scheduling;

/// <summary>How long the cluster waits for a worker before it is lost.</summary>
public sealed record ClusterTiming
{
    /// <summary>Agents report at least so often.</summary>
    public TimeSpan HeartbeatInterval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>A worker that is not heard of for so long is lost.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>When the coordinator started.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>Passes are made at least so often.</summary>
    public static readonly TimeSpan PassInterval = TimeSpan.FromMilliseconds(500);

    /// <summary>When this long has gone by from one pass to the next, the coordinator stood still: workers have a lease anew to be heard.</summary>
    public TimeSpan Standstill => PassInterval + (Lease / 2);

    /// <summary>When a generation breaks and none of its members is seen to be gone, the cause is waited for so long: the end of a process may be reported a moment later.</summary>
    public TimeSpan CauseGrace { get; init; } = TimeSpan.FromMilliseconds(150);

    /// <summary>Members that get ready are waited for so long before a generation starts without them.</summary>
    public TimeSpan StartPatience { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Ranks elsewhere that could take over from a worker that leaves are waited for so long.</summary>
    public TimeSpan HandoverPatience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A job with too few ranks holds its slots for so long while others wait for them.</summary>
    public TimeSpan HoldPatience { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>A worker that makes no progress with its part of a corpus's preparation has it taken away after so long.</summary>
    public TimeSpan PreparationPatience { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Slots whose ranks should have ended are waited for so long before a job is placed without them.</summary>
    public TimeSpan ClearingWait => Lease;

    /// <summary>A worker that was lost for so long is forgotten.</summary>
    public TimeSpan ForgetAfter { get; init; } = TimeSpan.FromHours(1);
}
