using System.Collections.Frozen;
using System.Net;
using Linformer.Coordinator.Hosting;
using Microsoft.AspNetCore.Http;

namespace Linformer.Coordinator.Rest;

/// <summary>What browsers may call this coordinator: what it sees itself, and the public addresses that it was told of.</summary>
internal sealed class OwnAddresses
{
    private readonly FrozenSet<PublicAddress> _public;
    private readonly FrozenSet<string> _names;

    /// <summary>Reads the options.</summary>
    /// <exception cref="FormatException">A public address is none.</exception>
    public OwnAddresses(CoordinatorOptions options)
    {
        _public = options.PublicAddresses.Select(PublicAddress.Parse).ToFrozenSet();
        _names = new[] { "localhost", Environment.MachineName, Dns.GetHostName() }.Concat(_public.Select(address => address.Host)).ToFrozenSet(StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>
    /// Whether a host is a name of this machine, a public address's, or an address: a page that passes for one of this by a changed
    /// entry of the DNS came by a name of its own.
    /// </summary>
    public bool IsOwnName(HostString host) => _names.Contains(host.Host.TrimEnd('.')) || IsAddress(host);

    /// <summary>Whether a page of an origin is one of this coordinator's.</summary>
    /// <param name="request">The call that it has sent.</param>
    /// <param name="origin">The header <c>Origin</c>.</param>
    /// <param name="sameOrigin">Whether the browser says that page and call are of the same origin; then a proxy may have changed the scheme.</param>
    public bool IsOwnOrigin(HttpRequest request, string origin, bool sameOrigin) =>
        PublicAddress.OfOrigin(origin) is { } page
        && (_public.Contains(page) || ((sameOrigin || page.Scheme == request.Scheme) && IsAt(request.Host, page)));

    /// <summary>Whether the caller's browser comes by TLS, be it to a proxy.</summary>
    public bool IsByTls(HttpRequest request) =>
        request.IsHttps
        || PublicAddress.OfOrigin(request.Headers.Origin.ToString()) is { IsHttps: true }
        || _public.Any(address => address.IsHttps && IsAt(request.Host, address));

    /// <summary>Whether a call is by a name that all of the host's services share, rather than an address or <c>localhost</c>.</summary>
    public static bool IsNamed(HostString host) => host.HasValue && !host.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase) && !IsAddress(host);

    private static bool IsAddress(HostString host) => IPAddress.TryParse(host.Host.Trim('[', ']'), out _);

    private static bool IsAt(HostString host, PublicAddress address) =>
        host.HasValue && host.Host.Equals(address.Host, StringComparison.OrdinalIgnoreCase) && (host.Port ?? DefaultPort(address)) == address.Port;

    private static int DefaultPort(PublicAddress address) => address.IsHttps ? 443 : 80;
}
