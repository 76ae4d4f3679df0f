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

    /// <summary>Wrong tokens per minute from one address; further calls from there are refused unread until the minute is over.</summary>
    public int WrongTokensPerMinute { get; init; } = 30;
}
