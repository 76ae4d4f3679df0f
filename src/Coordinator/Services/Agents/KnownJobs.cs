using Linformer.Coordinator.Storage;

namespace Linformer.Coordinator.Services.Agents;

/// <summary>A job as far as an agent's messages are checked against it.</summary>
/// <param name="TotalSteps">Its steps.</param>
/// <param name="Lineage">The newest lineage that was seen.</param>
/// <param name="Generation">The newest generation that was seen.</param>
internal sealed record KnownJob(long TotalSteps, int Lineage, int Generation);

/// <summary>The jobs that an agent speaks of. Not for several threads at a time.</summary>
internal sealed class KnownJobs(IJobStore jobs, ITelemetryStore telemetry)
{
    private const int Maximum = 256;
    private const int MaxId = 128;

    private readonly Dictionary<string, KnownJob> _known = new(StringComparer.Ordinal);

    /// <summary>
    /// The job, if it has such a generation, or generation 0, which stands for the time before the first; else null. A generation is
    /// recorded before any agent hears of it, so a later one is not the job's.
    /// </summary>
    public async Task<KnownJob?> FindAsync(string jobId, int lineage, int generation, CancellationToken cancellationToken)
    {
        if (_known.TryGetValue(jobId, out var known) && Has(known))
            return known;
        if (jobId.Length is 0 or > MaxId)
            return null;
        var row = await jobs.FindAsync(jobId, cancellationToken);
        if (row is null || row.View.JobId != jobId)
            return null;
        var progress = await telemetry.ProgressAsync(jobId, cancellationToken);
        known = new KnownJob(row.View.TotalSteps, progress.Lineage, progress.Generation);
        if (_known.Count >= Maximum)
            _known.Clear();
        _known[jobId] = known;
        return Has(known) ? known : null;

        bool Has(KnownJob job) => lineage >= 0 && lineage <= job.Lineage && generation >= 0 && generation <= job.Generation;
    }
}
