namespace Linformer.Protocol.Wire;

/// <summary>Names of the metadata that calls carry.</summary>
public static class MetadataNames
{
    /// <summary>The caller's <see cref="ProtocolVersion"/>; a call without it is taken.</summary>
    public const string ProtocolVersion = "linformer-protocol";

    /// <summary>Carries <c>Bearer TOKEN</c>.</summary>
    public const string Authorization = "authorization";

    /// <summary>What comes before the token.</summary>
    public const string BearerPrefix = "Bearer ";
}
