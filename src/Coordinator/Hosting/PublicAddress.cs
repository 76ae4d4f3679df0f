namespace Linformer.Coordinator.Hosting;

/// <summary>An address at which people's browsers reach the coordinator, which may be that of a proxy before it.</summary>
/// <param name="Scheme"><c>http</c> or <c>https</c>.</param>
/// <param name="Host">The name or address, in lower case, IPv6 in brackets.</param>
/// <param name="Port">The port.</param>
public sealed record PublicAddress(string Scheme, string Host, int Port)
{
    /// <summary>Whether browsers come by TLS.</summary>
    public bool IsHttps => Scheme == Uri.UriSchemeHttps;

    /// <summary>Reads <c>http://HOST</c> or <c>https://HOST</c>, with a port or without.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static PublicAddress Parse(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri)
        && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps)
        && uri is { Host.Length: > 0, UserInfo.Length: 0, AbsolutePath: "/", Query.Length: 0, Fragment.Length: 0 }
            ? Of(uri)
            : throw new FormatException($"'{text}' is no public address; http://HOST[:PORT] or https://HOST[:PORT] is needed, without a path, since the dashboard is at the root.");

    /// <summary>The address that a page is of, by a browser's header <c>Origin</c>; null if that names none.</summary>
    /// <param name="origin">The header's value.</param>
    public static PublicAddress? OfOrigin(string origin)
    {
        try
        {
            return Parse(origin);
        }
        catch (FormatException)
        {
            // Such as 'null', of pages that are of nowhere.
            return null;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Scheme}://{Host}:{Port}";

    private static PublicAddress Of(Uri uri) => new(uri.Scheme, (uri.HostNameType == UriHostNameType.Dns ? uri.IdnHost : uri.Host).ToLowerInvariant(), uri.Port);
}
