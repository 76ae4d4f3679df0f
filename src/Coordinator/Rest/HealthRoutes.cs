using Linformer.Coordinator.Access;
using Linformer.Coordinator.Services.Health;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Linformer.Coordinator.Rest;

/// <summary>
/// <c>GET /healthz</c> and <c>GET /readyz</c>, to everybody: 200 while the coordinator serves, 503 when it does not. A coordinator that
/// stands by does not listen; <c>--health</c> has a port that answers then, too.
/// </summary>
internal static class HealthRoutes
{
    private static readonly string[] Reading = [HttpMethods.Get, HttpMethods.Head];

    /// <summary>Maps both.</summary>
    public static void Map(IEndpointRouteBuilder routes)
    {
        foreach (var path in (string[])["/healthz", "/readyz"])
            routes.MapMethods(path, Reading, AnswerAsync).WithMetadata(PublicRoute.Instance);
    }

    private static Task AnswerAsync(HttpContext http)
    {
        var serves = http.RequestServices.GetRequiredService<ServingState>().Now.Serves;
        http.Response.StatusCode = serves ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        http.Response.ContentType = "text/plain; charset=utf-8";
        http.Response.Headers.CacheControl = "no-store";
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask : http.Response.WriteAsync(serves ? "ok\n" : "does not serve\n", http.RequestAborted);
    }
}
