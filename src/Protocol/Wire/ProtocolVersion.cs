namespace Linformer.Protocol.Wire;

/// <summary>The version of the protocol between people, agents and the coordinator. It goes up when an old peer could not go on.</summary>
public static class ProtocolVersion
{
    /// <summary>The version that this program speaks.</summary>
    public const int Current = 2;
}
