using System.Globalization;

namespace Linformer.Cli.Cluster;

/// <summary>Where a coordinator answers.</summary>
/// <param name="Host">A name or an IP address, without brackets.</param>
/// <param name="Port">Its gRPC port.</param>
public sealed record CoordinatorAddress(string Host, int Port)
{
    /// <summary>The port that a coordinator has unless told otherwise.</summary>
    public const int DefaultPort = 7070;

    /// <summary>The address as gRPC takes it.</summary>
    public Uri Uri => new($"http://{this}");

    /// <summary>Reads <c>HOST</c>, <c>HOST:PORT</c> or <c>[IPV6]:PORT</c>.</summary>
    /// <param name="text">What the user wrote.</param>
    /// <returns>The address, or null if it is none.</returns>
    public static CoordinatorAddress? Parse(string text)
    {
        var colon = text.LastIndexOf(':');
        var hasPort = colon >= 0 && colon > text.LastIndexOf(']');
        var host = hasPort ? text[..colon] : text;
        var port = DefaultPort;
        if (hasPort && !(int.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is >= 1 and <= 65535))
            return null;
        return Uri.CheckHostName(host) == UriHostNameType.Unknown ? null : new CoordinatorAddress(host.Trim('[', ']'), port);
    }

    /// <summary><c>HOST:PORT</c>.</summary>
    public override string ToString() => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}
