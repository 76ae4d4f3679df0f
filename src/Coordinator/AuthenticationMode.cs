namespace Linformer.Coordinator;

/// <summary>Which people have to show a token. Workers always show the join token or a client certificate.</summary>
public enum AuthenticationMode
{
    /// <summary>Those that come in on an address that is not loopback. On loopback everybody is an admin, under the name that they give.</summary>
    FromNetwork,

    /// <summary>Everybody.</summary>
    Always,

    /// <summary>Nobody, on no address; refused beyond loopback.</summary>
    Never,

    /// <summary>Nobody, also beyond loopback: whoever reaches the port is an admin.</summary>
    NeverEvenFromNetwork,
}
