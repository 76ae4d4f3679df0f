using Linformer.Coordinator.Telemetry;
using Linformer.Protocol.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Linformer.Cli.Hosting;

/// <summary>What Prometheus is told of this process. It counts from when this is made.</summary>
internal sealed class MetricsPage : IDisposable
{
    private readonly MetricCollector _collector = new();
    private volatile Func<CancellationToken, Task>? _refresh;

    /// <summary>What has slow values looked at again before they are told; null for nothing.</summary>
    public Func<CancellationToken, Task>? Refresh
    {
        set => _refresh = value;
    }

    /// <summary>Answers a scrape.</summary>
    /// <param name="http">The call.</param>
    public async Task WriteAsync(HttpContext http)
    {
        try
        {
            await (_refresh?.Invoke(http.RequestAborted) ?? Task.CompletedTask);
        }
        catch (ObjectDisposedException)
        {
            // The coordinator has just ended.
        }
        await MetricsEndpoint.WriteAsync(http, _collector);
    }

    /// <inheritdoc/>
    public void Dispose() => _collector.Dispose();
}
