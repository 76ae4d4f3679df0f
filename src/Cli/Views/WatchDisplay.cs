using System.Diagnostics;
using Linformer.Cli.Progress;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Views;

/// <summary>Shows a job that is watched: its history as notes, the phases of its corpus, then its steps.</summary>
/// <param name="progress">Where it is shown.</param>
internal sealed class WatchDisplay(IProgressReporter progress) : IDisposable
{
    private string _phaseName = "";
    private IProgressPhase? _phase;
    private double? _perplexity;
    private (int Lineage, int Generation)? _counted;
    private long _firstStep;
    private long _started;

    /// <summary>Shows what has changed.</summary>
    public void Show(WatchEvent change)
    {
        foreach (var entry in change.History)
            progress.Note($"{entry.At?.ToDateTime().ToLocalTime():HH:mm:ss} {Words.History(entry)}");
        if (change.LastFailure is { } failure && change.History.Count > 0)
            ShowFailure(failure);
        if (change.Corpus is { Phase.Length: > 0 } corpus && change.Job.State == JobState.Preparing)
            ShowPhase(corpus);
        else if (change.Job.State != JobState.Preparing)
            EndPhase();
        if (change.HasHeldOutLoss)
            _perplexity = Math.Exp(change.HeldOutLoss);
        if (change.Metrics is { } metrics)
            ShowStep(metrics, change.Job.TotalSteps);
    }

    /// <inheritdoc/>
    public void Dispose() => _phase?.Dispose();

    // A failure comes along with the entry of the history that tells of it; the log lines are what that entry lacks.
    private void ShowFailure(RankFailure failure)
    {
        foreach (var line in failure.LastLogLines.TakeLast(5))
            progress.Note($"  | {line}");
    }

    private void ShowPhase(CorpusProgress corpus)
    {
        var total = corpus.Total > 0 ? corpus.Total : (long?)null;
        if (_phase is null || corpus.Phase != _phaseName)
        {
            _phase?.Complete();
            (_phaseName, _phase) = (corpus.Phase, progress.StartPhase(corpus.Phase, corpus.Unit, total));
        }

        _phase.Report(corpus.Done, total);
    }

    private void EndPhase()
    {
        _phase?.Complete();
        _phase = null;
    }

    // The time left is told from the second step of a generation on: before the first, processes start and libraries tune.
    private void ShowStep(MetricPoint metrics, long steps)
    {
        TimeSpan? left = null;
        if (_counted != (metrics.Lineage, metrics.Generation))
        {
            (_counted, _started, _firstStep) = ((metrics.Lineage, metrics.Generation), Stopwatch.GetTimestamp(), metrics.Step);
        }
        else if (metrics.Step > _firstStep)
        {
            left = Stopwatch.GetElapsedTime(_started) / (metrics.Step - _firstStep) * (steps - metrics.Step);
        }

        if (metrics.HasHeldOutLoss)
            _perplexity = Math.Exp(metrics.HeldOutLoss);
        progress.ReportTraining(new TrainingProgress(metrics.Step, steps, metrics.Loss, _perplexity, metrics.TokensPerSecond, left));
    }
}
