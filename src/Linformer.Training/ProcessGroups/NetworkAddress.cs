using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Linformer.Training.ProcessGroups;

/// <summary>Turns what a person writes for an address into a numeric one.</summary>
internal static class NetworkAddress
{
    /// <summary>Resolves an IP address, a host name, or the name of a network interface; IPv4 first.</summary>
    /// <exception cref="ArgumentException">It is none of these.</exception>
    public static IPAddress Resolve(string text, string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(text, name);
        if (IPAddress.TryParse(text, out var address))
        {
            return address;
        }

        var found = Array.Find(NetworkInterface.GetAllNetworkInterfaces(), candidate => candidate.Name == text) is { } network
            ? network.GetIPProperties().UnicastAddresses.Select(unicast => unicast.Address)
            : LookUp(text);
        return found.OrderBy(candidate => candidate.AddressFamily != AddressFamily.InterNetwork).FirstOrDefault()
            ?? throw new ArgumentException(
                $"{name} is '{text}', which is no IP address, no known host name and no network interface with an address",
                name);
    }

    private static IPAddress[] LookUp(string host)
    {
        try
        {
            return Dns.GetHostAddresses(host);
        }
        catch (SocketException)
        {
            return [];
        }
    }
}
