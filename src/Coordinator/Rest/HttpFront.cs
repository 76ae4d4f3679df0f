using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Services.Guard;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Primitives;

namespace Linformer.Coordinator.Rest;

/// <summary>
/// Stands before every call over HTTP: tells browsers what pages from here may do, and refuses what another site has a browser send.
/// </summary>
internal static class HttpFront
{
    /// <summary>The header by which a page shows that it may set headers, which another site's page may not without being asked for.</summary>
    public const string Header = "X-Linformer";

    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

    private const string PermissionsPolicy =
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()";

    private const string TransportSecurity = "max-age=31536000";

    // So that who stops reading an answer does not keep its place and its buffers.
    private static readonly MinDataRate LeastRate = new(240, TimeSpan.FromSeconds(5));

    /// <summary>Handles a call; one on a listener of gRPC goes on as it is.</summary>
    public static Task InvokeAsync(HttpContext http, RequestDelegate next)
    {
        if (!Listeners.IsHttp(http))
            return next(http);
        // Of HTTP/1.1 alone; gRPC's listeners have none, and HTTP/2 none of a call's own.
        if (http.Features.Get<IHttpMinResponseDataRateFeature>() is { } rate)
            rate.MinDataRate = LeastRate;
        var services = http.RequestServices;
        var own = services.GetRequiredService<OwnAddresses>();
        SetHeaders(http, services.GetRequiredService<CoordinatorOptions>().StrictTransport && own.IsByTls(http.Request) && OwnAddresses.IsNamed(http.Request.Host));
        if (services.GetRequiredService<Authenticator>().IsOpen(http) && !own.IsOwnName(http.Request.Host))
        {
            return Problem.WriteAsync(
                http, StatusCodes.Status421MisdirectedRequest, "misdirected", $"{Refusal.Show(http.Request.Host.Value ?? "")} is not a name of this listener; 'localhost', this machine's name, addresses, and those of --public-url are. (So that no other site's page can pass for one of this.)");
        }
        return WhyForged(http.Request, own) is { } why ? Problem.WriteAsync(http, new Status(StatusCode.PermissionDenied, why)) : next(http);
    }

    private static void SetHeaders(HttpContext http, bool strictTransport)
    {
        var headers = http.Response.Headers;
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Permissions-Policy"] = PermissionsPolicy;
        headers.CacheControl = "no-store";
        if (strictTransport)
            headers.StrictTransportSecurity = TransportSecurity;
    }

    /// <summary>
    /// Why a call may come from another site's page; null if it does not. Who shows a token in a header is no such page: browsers add
    /// cookies by themselves, and on an open listener nothing is needed at all, but nobody adds that header by mistake.
    /// </summary>
    private static string? WhyForged(HttpRequest request, OwnAddresses own)
    {
        if (!StringValues.IsNullOrEmpty(request.Headers.Authorization))
            return null;
        var site = request.Headers["Sec-Fetch-Site"].ToString();
        if (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method))
        {
            return site == "cross-site" && request.Headers["Sec-Fetch-Mode"] != "navigate"
                ? "The call comes from another site's page, which may not read this one."
                : null;
        }
        if (request.Headers[Header] != "1")
            return $"The header '{Header}: 1' is missing, without which a call by cookie, or by nothing, changes nothing here. Calls with 'Authorization: Bearer TOKEN' do not need it.";
        if (site.Length > 0 && site != "same-origin")
            return $"The call comes from another site's page (Sec-Fetch-Site: {Refusal.Plain(site)}), which may change nothing here.";
        var origin = request.Headers.Origin.ToString();
        return origin.Length > 0 && !own.IsOwnOrigin(request, origin, sameOrigin: site.Length > 0)
            ? $"The call comes from a page of {Refusal.Show(origin)}, which may change nothing here. (If that is this coordinator's own address, behind a proxy, it has to be given with --public-url.)"
            : null;
    }
}
