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

    /// <summary>Ranks that only lost a peer wait so long for the cause: what happened to the peer.</summary>
    public TimeSpan CauseWait => Lease + (2 * HeartbeatInterval);

    /// <summary>Slots whose ranks should have ended are waited for so long before a job is placed without them.</summary>
    public TimeSpan ClearingWait => Lease;

    /// <summary>A worker that was lost for so long is forgotten.</summary>
    public TimeSpan ForgetAfter { get; init; } = TimeSpan.FromHours(1);
}
