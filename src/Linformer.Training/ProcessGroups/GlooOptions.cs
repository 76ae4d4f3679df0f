namespace Linformer.Training.ProcessGroups;

/// <summary>How a <see cref="GlooProcessGroup"/> connects and how long it waits.</summary>
public sealed record GlooOptions
{
    /// <summary>
    /// How long each collective may take from when it starts to run until it is done. A rank that is
    /// stopped or unreachable is noticed after this time.
    /// </summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long it may take until all ranks are there and connected.</summary>
    public TimeSpan RendezvousTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Where to listen: an IP address, a host name, or the name of a network interface (such as
    /// <c>eth0</c>). The port is chosen by the system.
    /// </summary>
    public string BindAddress { get; init; } = "127.0.0.1";

    /// <summary>
    /// The IP address or host name under which the other ranks reach this one; null for
    /// <see cref="BindAddress"/>. Needed when that is <c>0.0.0.0</c> or <c>::</c>.
    /// </summary>
    public string? AdvertisedAddress { get; init; }

    /// <summary>
    /// Whether what goes to ranks with the same address goes through memory that both share, which costs less than TCP. Where
    /// the system does not let them share any, as between containers, it is TCP in any case.
    /// </summary>
    public bool ShareMemory { get; init; } = true;
}
