using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Protocol;

namespace Linformer.Coordinator.Services.Checking;

/// <summary>What one rank of a job has achieved.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Device"><c>cpu</c> or <c>cuda</c>; empty where nothing tells.</param>
/// <param name="Threads">Threads of the rank.</param>
/// <param name="Precision">What it computed in.</param>
/// <param name="OperationsPerSecond">Floating-point operations of its model a second, by <see cref="JobNeeds"/>.</param>
internal sealed record JobRate(string JobId, string Device, int Threads, PrecisionKind Precision, double OperationsPerSecond);

/// <summary>What the cluster's newest jobs have achieved, from their recorded steps. Read anew when it is no longer fresh.</summary>
internal sealed class JobRates(IJobStore jobs, ITelemetryStore telemetry, CorpusVocabularies vocabularies, TimeProvider time) : IDisposable
{
    private const int NewestJobs = 12;
    private const int NewestSteps = 50;
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(15);
    private static readonly JobPhase[] Trained = [JobPhase.Running, JobPhase.Paused, JobPhase.Succeeded, JobPhase.Failed, JobPhase.Cancelled];

    private readonly SemaphoreSlim _reading = new(1);
    private IReadOnlyList<JobRate> _rates = [];
    private long? _readAt;

    /// <summary>The newest jobs' rates, the newest job first; of jobs that have recorded no step there are none.</summary>
    /// <param name="devices">What the cluster computes on.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IReadOnlyList<JobRate>> ReadAsync(ClusterDevices devices, CancellationToken cancellationToken)
    {
        await _reading.WaitAsync(cancellationToken);
        try
        {
            if (_readAt is not { } at || time.GetElapsedTime(at) > Fresh)
            {
                _rates = await ReadAnewAsync(devices, cancellationToken);
                _readAt = time.GetTimestamp();
            }
            return _rates;
        }
        finally
        {
            _reading.Release();
        }
    }

    public void Dispose() => _reading.Dispose();

    private async Task<IReadOnlyList<JobRate>> ReadAnewAsync(ClusterDevices devices, CancellationToken cancellationToken)
    {
        var rates = new List<JobRate>();
        foreach (var row in await jobs.ListAsync(new JobFilter(Trained, "", NewestJobs, null), cancellationToken))
        {
            if (await RateAsync(row.View, devices, cancellationToken) is { } rate)
                rates.Add(rate);
        }
        return rates;
    }

    private async Task<JobRate?> RateAsync(JobView view, ClusterDevices devices, CancellationToken cancellationToken)
    {
        // An older version may have taken what this one refuses.
        if (JobFileParser.Parse(view.JobJson, view.JobId, cuda: true).Job is not { Task: not (JobTask.Plugin or JobTask.Inference) } job || devices.Of(view) is not { } device)
            return null;
        var progress = await telemetry.ProgressAsync(view.JobId, cancellationToken);
        if (progress.LastMetric is not { WorldSize: > 0 and var ranks })
            return null;
        var steps = await telemetry.MetricsAfterAsync(view.JobId, Math.Max(0, progress.CommittedStep - NewestSteps), NewestSteps, cancellationToken);
        var speeds = steps.Where(step => step.WorldSize == ranks && double.IsFinite(step.TokensPerSecond) && step.TokensPerSecond > 0)
            .Select(step => step.TokensPerSecond).Order().ToList();
        if (speeds.Count == 0)
            return null;
        var (vocabulary, _) = await vocabularies.OfAsync(job, cancellationToken);
        var needs = JobNeeds.Of(job, vocabulary);
        // Of before there was a choice.
        var precision = job.Training.Precision == PrecisionKind.Bf16 ? PrecisionKind.Bf16 : PrecisionKind.Fp32;
        var stepsPerSecond = speeds[speeds.Count / 2] / needs.TokensPerStep;
        return new JobRate(view.JobId, device, job.Ranks.Threads, precision, needs.OperationsOfBusiestRank(job, ranks) * stepsPerSecond);
    }
}
