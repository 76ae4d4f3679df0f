using System.Net;
using System.Net.Sockets;

namespace Linformer.Coordinator.Access;

/// <summary>Counts the wrong tokens from each address within a minute. An IPv6 network of 64 bits counts as one address.</summary>
/// <param name="perMinute">So many are too many.</param>
/// <param name="time">The clock.</param>
public sealed class WrongTokens(int perMinute, TimeProvider time)
{
    // Those beyond share one count: memory stays bounded whatever addresses come.
    private const int MostAddresses = 10_000;
    private const int NetworkBytes = 8;

    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, int> _counts = [];
    private long _began = time.GetTimestamp();

    /// <summary>Counts one.</summary>
    public void Add(IPAddress? address)
    {
        lock (_lock)
        {
            var key = Key(address);
            _counts[key] = _counts.GetValueOrDefault(key) + 1;
        }
    }

    /// <summary>Whether there were too many.</summary>
    public bool TooMany(IPAddress? address)
    {
        lock (_lock)
            return _counts.GetValueOrDefault(Key(address)) >= perMinute;
    }

    private IPAddress Key(IPAddress? address)
    {
        if (time.GetElapsedTime(_began) >= Window)
        {
            _counts.Clear();
            _began = time.GetTimestamp();
        }
        var key = Network(address ?? IPAddress.None);
        return _counts.Count < MostAddresses || _counts.ContainsKey(key) ? key : IPAddress.None;
    }

    private static IPAddress Network(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            return address.MapToIPv4();
        if (address.AddressFamily != AddressFamily.InterNetworkV6)
            return address;
        var bytes = address.GetAddressBytes();
        bytes.AsSpan(NetworkBytes).Clear();
        return new IPAddress(bytes);
    }
}
