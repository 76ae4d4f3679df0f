using Linformer.Training;
using Linformer.Worker.Jobs;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Local;

/// <summary>Keeps the metrics of a local training, each step once, and tells the observer.</summary>
/// <param name="observer">Told of steps and warnings.</param>
/// <param name="metricsPath">The metrics' file.</param>
/// <param name="step">The step that the training continues from.</param>
/// <param name="warned">Warnings that need not be repeated.</param>
internal sealed class TrainingRecorder(ITrainingObserver observer, string metricsPath, long step, IEnumerable<string> warned) : IRankEvents, IDisposable
{
    private readonly HashSet<string> _warned = [.. warned];
    private readonly Dictionary<StepPhase, double> _seconds = [];
    private MetricsFile _metrics = MetricsFile.Open(metricsPath, step);
    private int _generation;
    private int _lineage;
    private bool _metricsFail;

    /// <summary>The last step.</summary>
    public long Step { get; private set; } = step;

    /// <summary>Where the time of all ranks together went; empty before their first samples.</summary>
    public IReadOnlyDictionary<StepPhase, double> PhaseSeconds => _seconds;

    public void Joined(int rank, JoinedMessage joined)
    {
        if (joined.Generation <= _generation)
        {
            return;
        }

        (_generation, _lineage) = (joined.Generation, joined.Lineage);
        if (joined.Step < Step)
        {
            // Back to an earlier step: the lines after it will be made again.
            Step = joined.Step;
            _metrics.Dispose();
            _metrics = MetricsFile.Open(metricsPath, Step);
        }
    }

    /// <summary>The most memory that the process of a rank has had, in bytes.</summary>
    public long PeakMemoryBytes { get; private set; }

    public void Progress(int rank, ProgressMessage progress)
    {
        // After a change of ranks, what may not have been told is told again.
        if (progress.Step <= Step || progress.Lineage < _lineage)
        {
            return;
        }

        Step = progress.Step;
        AddMetrics(progress);
        observer.StepDone(progress);
    }

    public void Sampled(int rank, RankSampleMessage sample)
    {
        PeakMemoryBytes = Math.Max(PeakMemoryBytes, sample.PeakMemoryBytes);
        foreach (var (phase, seconds) in sample.Seconds)
        {
            _seconds[phase] = _seconds.GetValueOrDefault(phase) + seconds;
        }
    }

    public void Warned(int rank, string message)
    {
        if (!_warned.Contains(message))
        {
            observer.Warn(message);
        }
    }

    public void Dispose() => _metrics.Dispose();

    // As with a checkpoint that cannot be written, training is worth more than its record.
    private void AddMetrics(ProgressMessage progress)
    {
        try
        {
            _metrics.Add(progress);
            _metricsFail = false;
        }
        catch (IOException e)
        {
            if (!_metricsFail)
            {
                observer.Warn($"Metrics cannot be written from step {progress.Step} on; training goes on. {e.Message}");
            }

            _metricsFail = true;
        }
    }
}
