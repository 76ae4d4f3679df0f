using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Storage;

/// <summary>How all jobs stand.</summary>
/// <param name="Jobs">How many are in each phase in which any is.</param>
/// <param name="TokensPerSecond">Of the newest steps of those that run, together.</param>
public sealed record JobTotals(IReadOnlyDictionary<JobPhase, long> Jobs, double TokensPerSecond);

/// <summary>Figures of all jobs together.</summary>
public interface IClusterStore
{
    /// <summary>How all jobs stand.</summary>
    Task<JobTotals> TotalsAsync(CancellationToken cancellationToken);
}
