using System.Net;
using System.Net.NetworkInformation;

namespace Linformer.Worker.Machines;

/// <summary>How a rank process comes to its device.</summary>
public static class RankDevice
{
    /// <summary>The CPU.</summary>
    public const string Cpu = "cpu";

    /// <summary>A GPU.</summary>
    public const string Cuda = "cuda";

    private const string NcclInterface = "NCCL_SOCKET_IFNAME";

    /// <summary>The environment of a rank on the CPU: nothing is added.</summary>
    public static IReadOnlyDictionary<string, string> NoEnvironment { get; } = new Dictionary<string, string>();

    /// <summary>The environment of a rank on a GPU: it sees no other one, and NCCL uses the network that the ranks were given.</summary>
    /// <param name="gpu">The GPU.</param>
    /// <param name="listenAddress">Where ranks listen: an IP address, a host name, or a network interface.</param>
    public static IReadOnlyDictionary<string, string> Environment(Gpu gpu, string listenAddress)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal) { [VisibleDevices.Variable] = gpu.Uuid };
        if (System.Environment.GetEnvironmentVariable(NcclInterface) is null && InterfaceOf(listenAddress) is { } name)
        {
            // With the sign it is the interface's whole name rather than its beginning.
            all[NcclInterface] = $"={name}";
        }

        return all;
    }

    private static string? InterfaceOf(string listenAddress)
    {
        NetworkInterface[] interfaces;
        try
        {
            interfaces = NetworkInterface.GetAllNetworkInterfaces();
        }
        catch (NetworkInformationException)
        {
            return null;
        }

        if (Array.Find(interfaces, one => one.Name == listenAddress) is { } named)
        {
            return named.Name;
        }

        return IPAddress.TryParse(listenAddress, out var address)
            ? Array.Find(interfaces, one => one.GetIPProperties().UnicastAddresses.Any(own => own.Address.Equals(address)))?.Name
            : null;
    }
}
