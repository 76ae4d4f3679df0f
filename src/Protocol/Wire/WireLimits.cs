namespace Linformer.Protocol.Wire;

/// <summary>The sizes that both sides keep to.</summary>
public static class WireLimits
{
    /// <summary>The largest message that the coordinator takes, in bytes.</summary>
    public const int MaxRequestBytes = 4 << 20;

    /// <summary>The largest message that an agent has to take: an assignment holds the job file of every rank group. In bytes.</summary>
    public const int MaxAssignmentBytes = 64 << 20;

    /// <summary>The most items of one telemetry message.</summary>
    public const int MaxTelemetryItems = 4096;

    /// <summary>The longest log line, in characters; longer ones are cut.</summary>
    public const int MaxLogLine = 8192;

    /// <summary>The largest rendezvous value, in bytes.</summary>
    public const int MaxRendezvousBytes = 64 << 10;

    /// <summary>The most slots of one worker.</summary>
    public const int MaxSlots = 1024;
}
