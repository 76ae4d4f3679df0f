using Linformer.Protocol.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Role = Linformer.Protocol.V1.Role;

namespace Linformer.Coordinator.Telemetry;

/// <summary><c>GET /metrics</c>: what Prometheus scrapes.</summary>
public static class MetricsEndpoint
{
    /// <summary>Its path.</summary>
    public const string Path = "/metrics";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>Answers it for a coordinator, to viewers.</summary>
    /// <param name="routes">The coordinator's application.</param>
    /// <returns>The route, for further conventions.</returns>
    public static IEndpointConventionBuilder Map(IEndpointRouteBuilder routes) => routes
        .MapMethods(Path, [HttpMethods.Get], http => WriteAsync(
            http, http.RequestServices.GetRequiredService<MetricCollector>(), http.RequestServices.GetRequiredService<ClusterGauges>()))
        .WithMetadata(new Protocol.V1.Access { Role = Role.Viewer });

    /// <summary>Writes the values in the format that the reader asks for.</summary>
    /// <param name="http">The call.</param>
    /// <param name="collector">Has the values.</param>
    public static Task WriteAsync(HttpContext http, MetricCollector collector)
    {
        ArgumentNullException.ThrowIfNull(http);
        ArgumentNullException.ThrowIfNull(collector);
        var format = PrometheusFormats.Choose(http.Request.Headers.Accept);
        http.Response.ContentType = PrometheusFormats.ContentType(format);
        http.Response.Headers.CacheControl = "no-store";
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask : http.Response.WriteAsync(PrometheusText.Write(collector.Collect(), format), http.RequestAborted);
    }

    /// <summary>Returns once the cluster was looked at, or when that takes too long.</summary>
    internal static Task RefreshAsync(ClusterGauges gauges, CancellationToken cancellationToken) => gauges.RefreshAsync(Patience, cancellationToken);

    private static async Task WriteAsync(HttpContext http, MetricCollector collector, ClusterGauges gauges)
    {
        await RefreshAsync(gauges, http.RequestAborted);
        await WriteAsync(http, collector);
    }
}
