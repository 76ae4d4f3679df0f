using System.Globalization;
using System.Net;

namespace Linformer.Coordinator.Hosting;

/// <summary>Where the coordinator listens.</summary>
/// <param name="Address">The IP address.</param>
/// <param name="Port">The port; 0 to have one chosen.</param>
public sealed record ListenAddress(IPAddress Address, int Port)
{
    /// <summary>Marks connections of loopback listeners: other machines cannot make one.</summary>
    internal const string LoopbackMark = "linformer.loopback";

    /// <summary>Whether only this machine can reach it.</summary>
    public bool IsLoopback => IPAddress.IsLoopback(Address);

    /// <summary>Reads <c>HOST:PORT</c>. HOST is an IP address (IPv6 in brackets), <c>localhost</c>, or <c>*</c> for all addresses.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static ListenAddress Parse(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon <= 0
            || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            || port > IPEndPoint.MaxPort)
        {
            throw Wrong(text);
        }
        var host = text[..colon];
        return host switch
        {
            "localhost" => new ListenAddress(IPAddress.Loopback, port),
            "*" => new ListenAddress(IPAddress.IPv6Any, port),
            _ when host.StartsWith('[') == host.EndsWith(']') && host.StartsWith('[') == host.Contains(':') && IPAddress.TryParse(host.Trim('[', ']'), out var address) =>
                new ListenAddress(address, port),
            _ => throw Wrong(text),
        };
    }

    private static FormatException Wrong(string text) => new(
        $"'{text}' is not an address to listen on; HOST:PORT is needed, with an IP address, 'localhost' or '*' as HOST and 0 to {IPEndPoint.MaxPort} as PORT.");
}
