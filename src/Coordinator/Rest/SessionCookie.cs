using Linformer.Coordinator.Access;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Linformer.Coordinator.Rest;

/// <summary>
/// The cookie of who has logged in: a <see cref="SealedSession"/>, never the token, since browsers show a host's cookies to the
/// services on all its ports. Scripts cannot read it, and browsers send it with nothing that another site has asked for.
/// </summary>
internal static class SessionCookie
{
    /// <summary>Its name without TLS.</summary>
    public const string Name = "linformer-session";

    /// <summary>Its name by TLS: browsers take one of this name from the host itself alone, and by TLS alone.</summary>
    public const string HostName = "__Host-" + Name;

    /// <summary>What is in the cookie; null without one.</summary>
    public static string? Of(HttpContext http) =>
        http.Request.Cookies[HostName] ?? (http.Request.IsHttps ? null : http.Request.Cookies[Name]);

    /// <summary>Has the browser keep it for as long as the session holds.</summary>
    public static void Set(HttpContext http, SealedSession session)
    {
        var secure = http.RequestServices.GetRequiredService<OwnAddresses>().IsByTls(http.Request);
        http.Response.Cookies.Append(secure ? HostName : Name, session.ToString(), Options(secure, session.End));
    }

    /// <summary>Has the browser forget it.</summary>
    public static void Clear(HttpContext http)
    {
        // Which one it keeps is not known here, as it may have come by a proxy.
        http.Response.Cookies.Delete(Name, Options(secure: false, null));
        http.Response.Cookies.Delete(HostName, Options(secure: true, null));
    }

    private static CookieOptions Options(bool secure, DateTimeOffset? expires) => new()
    {
        HttpOnly = true,
        SameSite = SameSiteMode.Strict,
        Path = "/",
        Secure = secure,
        IsEssential = true,
        Expires = expires,
    };
}
