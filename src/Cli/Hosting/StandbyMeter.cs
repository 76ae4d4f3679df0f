using System.Diagnostics.Metrics;

namespace Linformer.Cli.Hosting;

/// <summary>Tells while a coordinator does not serve that it is not the active one; when it serves, it tells by itself.</summary>
internal sealed class StandbyMeter : IDisposable
{
    private readonly Meter _meter = new("Linformer.Standby");

    /// <summary>Makes it.</summary>
    /// <param name="health">Knows whether it serves.</param>
    public StandbyMeter(CoordinatorHealth health) => _meter.CreateObservableGauge(
        "linformer.coordinator.active", () => health.WhyNotReady is null ? [] : new Measurement<int>[] { new(0) },
        description: "1 while this coordinator holds the lease and serves, 0 while it stands by");

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();
}
