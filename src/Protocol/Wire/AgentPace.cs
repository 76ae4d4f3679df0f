namespace Linformer.Protocol.Wire;

/// <summary>How often an agent sends what can wait a moment.</summary>
public static class AgentPace
{
    /// <summary>Statuses in which nothing but progress is new are at least so far apart. What others wait for is sent at once.</summary>
    public static readonly TimeSpan Progress = TimeSpan.FromMilliseconds(500);

    /// <summary>Messages with telemetry are at least so far apart.</summary>
    public static readonly TimeSpan Telemetry = TimeSpan.FromMilliseconds(250);

    /// <summary>The most messages with telemetry that wait for their acknowledgement.</summary>
    public const int UnacknowledgedMessages = 8;

    /// <summary>The most items of one message with telemetry.</summary>
    public const int TelemetryItems = 1000;
}
