using System.Globalization;
using Linformer.Protocol.Security;

namespace Linformer.Cli.Cluster;

/// <summary>Where a coordinator answers.</summary>
/// <param name="Host">A name or an IP address, without brackets.</param>
/// <param name="Port">Its gRPC port.</param>
/// <param name="Scheme"><c>https</c> or <c>http</c> where the user wrote it; else null, which is without TLS.</param>
public sealed record CoordinatorAddress(string Host, int Port, string? Scheme = null)
{
    /// <summary>The port that a coordinator has unless told otherwise.</summary>
    public const int DefaultPort = 7070;

    /// <summary>What is said to be allowed where an address is none.</summary>
    internal const string Allowed = "it must be HOST:PORT, such as localhost:7070, or https://HOST:PORT, or several of these after commas.";

    /// <summary>Whether the connection is encrypted.</summary>
    public bool IsSecure => Scheme == Uri.UriSchemeHttps;

    /// <summary>The address as gRPC takes it.</summary>
    public Uri Uri => new($"{Scheme ?? Uri.UriSchemeHttp}://{Authority}");

    /// <summary><c>HOST:PORT</c>.</summary>
    public string Authority => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";

    /// <summary>Reads <c>HOST</c>, <c>HOST:PORT</c> or <c>[IPV6]:PORT</c>, each perhaps after <c>https://</c> or <c>http://</c>.</summary>
    /// <param name="text">What the user wrote.</param>
    /// <returns>The address, or null if it is none.</returns>
    public static CoordinatorAddress? Parse(string text)
    {
        var scheme = Array.Find([Uri.UriSchemeHttps, Uri.UriSchemeHttp], scheme => text.StartsWith($"{scheme}://", StringComparison.OrdinalIgnoreCase));
        if (scheme is not null)
            text = text[(scheme.Length + 3)..].TrimEnd('/');
        var colon = text.LastIndexOf(':');
        var hasPort = colon >= 0 && colon > text.LastIndexOf(']');
        var host = hasPort ? text[..colon] : text;
        var port = DefaultPort;
        if (hasPort && !(int.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is >= 1 and <= 65535))
            return null;
        // A token would pass as a name, and be told to the name server.
        return Uri.CheckHostName(host) == UriHostNameType.Unknown || TokenMask.IsToken(host) ? null : new CoordinatorAddress(host.Trim('[', ']'), port, scheme);
    }

    /// <summary>The address as the user would write it: <c>HOST:PORT</c>, or <c>https://HOST:PORT</c>.</summary>
    public override string ToString() => Scheme is null ? Authority : $"{Scheme}://{Authority}";
}
