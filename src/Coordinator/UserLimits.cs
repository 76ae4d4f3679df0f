namespace Linformer.Coordinator;

/// <summary>What one user may do at most; more is answered with RESOURCE_EXHAUSTED. Admins on loopback without a token have no limits.</summary>
public sealed record UserLimits
{
    /// <summary>Jobs that have not ended; 0 for no limit.</summary>
    public int UnfinishedJobs { get; init; } = 100;

    /// <summary>Calls per second on average; 0 for no limit. A stream is one call.</summary>
    public int CallsPerSecond { get; init; } = 50;

    /// <summary>Calls at once above that, after a quiet time.</summary>
    public int CallBurst { get; init; } = 200;

    /// <summary>
    /// Wrong tokens per minute from one address; further calls from there without a good one are RESOURCE_EXHAUSTED until the minute is
    /// over. Calls with a good one are served: an address may be that of a gateway, which many share.
    /// </summary>
    public int WrongTokensPerMinute { get; init; } = 30;
}
