using System.Diagnostics;
using System.Globalization;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Linformer.Coordinator.Access;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace Linformer.Coordinator.Telemetry;

/// <summary>Counts calls of gRPC and HTTP around all that answers them.</summary>
internal static class CallMetrics
{
    // What strangers ask for has no end of names.
    private const string Unknown = "unknown";

    /// <summary>Handles a request.</summary>
    public static async Task InvokeAsync(HttpContext http, Func<Task> next)
    {
        var (method, since) = (MethodOf(http), Stopwatch.GetTimestamp());
        var failed = true;
        CoordinatorInstruments.CallBegins(method);
        try
        {
            await next();
            failed = false;
        }
        finally
        {
            CoordinatorInstruments.CallEnds(method, StatusOf(http, failed), since);
        }
    }

    private static string MethodOf(HttpContext http) => http.GetEndpoint() switch
    {
        null => Unknown,
        var endpoint when endpoint.Metadata.GetMetadata<GrpcMethodMetadata>() is { } grpc => grpc.Method.FullName,
        var endpoint when AccessRules.Of(endpoint) is null => Unknown,
        RouteEndpoint route => $"{Verb(http.Request.Method)} {route.RoutePattern.RawText}",
        _ => Unknown,
    };

    private static string Verb(string method) =>
        HttpMethods.IsGet(method) || HttpMethods.IsPost(method) || HttpMethods.IsDelete(method) || HttpMethods.IsPut(method) || HttpMethods.IsHead(method) ? method : "OTHER";

    private static string StatusOf(HttpContext http, bool failed)
    {
        var grpc = http.Features.Get<IHttpResponseTrailersFeature>()?.Trailers["grpc-status"].ToString();
        if (string.IsNullOrEmpty(grpc))
            grpc = http.Response.Headers["grpc-status"].ToString();
        if (int.TryParse(grpc, NumberStyles.None, CultureInfo.InvariantCulture, out var code) && Enum.IsDefined((StatusCode)code))
            return StatusName.Of((StatusCode)code);
        // Whoever hangs up gets no status.
        if (http.RequestAborted.IsCancellationRequested)
            return StatusName.Of(StatusCode.Cancelled);
        return failed ? "500" : http.Response.StatusCode.ToString(CultureInfo.InvariantCulture);
    }
}
