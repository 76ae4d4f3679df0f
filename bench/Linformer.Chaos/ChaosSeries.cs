using System.Collections.Immutable;

namespace Linformer.Chaos;

/// <summary>Runs one after another, each with the next seed.</summary>
public static class ChaosSeries
{
    /// <summary>Runs until the time is over, and at least once; stops at the first run that fails.</summary>
    /// <param name="first">The first run.</param>
    /// <param name="time">No run begins after so long.</param>
    /// <param name="onReport">Told each run's result.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    public static async Task<ImmutableArray<ChaosReport>> RunAsync(
        ChaosOptions first, TimeSpan time, Action<ChaosReport> onReport, CancellationToken cancellationToken)
    {
        var start = DateTime.UtcNow;
        var reports = ImmutableArray.CreateBuilder<ChaosReport>();
        do
        {
            var report = await ChaosRun.RunAsync(first with { Seed = first.Seed + reports.Count }, cancellationToken);
            onReport(report);
            reports.Add(report);
        }
        while (reports[^1].Failures.IsEmpty && DateTime.UtcNow - start < time);
        return reports.DrainToImmutable();
    }
}
