using Linformer.Cli.Progress;
using Linformer.Cli.Screens;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Views;

/// <summary>Shows a job that is watched: its history as notes, the phases of its corpus, then its steps.</summary>
/// <param name="progress">Where it is shown.</param>
internal sealed class WatchDisplay(IProgressReporter progress) : IDisposable
{
    private string _phaseName = "";
    private IProgressPhase? _phase;
    private double? _perplexity;
    private Dictionary<string, double>? _measures;
    private readonly StepRate _rate = new(TimeProvider.System);
    private (int Lineage, int Generation)? _again;
    private readonly HashSet<int> _slow = [];
    private string _waitsFor = "";
    private RankFailure? _failure;
    private long? _phaseTotal;

    /// <summary>Shows what has changed.</summary>
    public void Show(WatchEvent change)
    {
        if (change.Job.State != JobState.Preparing)
            EndPhase(done: change.Job.State == JobState.Running);
        foreach (var entry in change.History)
            progress.Note($"{entry.At?.ToDateTime().ToLocalTime():HH:mm:ss} {Words.History(entry)}");
        if (change.LastFailure is { } failure && change.History.Count > 0 && !failure.Equals(_failure))
            ShowFailure(failure);
        if (change.Corpus is { Phase.Length: > 0 } corpus && change.Job.State == JobState.Preparing)
            ShowPhase(corpus);
        ShowWait(change.Job);
        ShowAgain(change.Job);
        ShowSlow(change.Ranks);
        if (change.HasHeldOutLoss)
            _perplexity = Math.Exp(change.HeldOutLoss);
        if (change.Measures.Count > 0)
            _measures = change.Measures.ToDictionary(StringComparer.Ordinal);
        if (change.Metrics is { } metrics)
            ShowStep(metrics, change.Job);
    }

    /// <inheritdoc/>
    public void Dispose() => _phase?.Dispose();

    // A failure comes along with the entry of the history that tells of it; the log lines are what that entry lacks.
    private void ShowFailure(RankFailure failure)
    {
        _failure = failure;
        foreach (var line in failure.LastLogLines.TakeLast(5))
            progress.Note($"  | {PlainText.Of(line)}");
    }

    private void ShowPhase(CorpusProgress corpus)
    {
        var total = corpus.Total > 0 ? corpus.Total : (long?)null;
        if (_phase is null || corpus.Phase != _phaseName)
        {
            EndPhase(done: true);
            (_phaseName, _phase) = (corpus.Phase, progress.StartPhase(Sentence(corpus.Phase), corpus.Unit, total));
        }

        _phaseTotal = total;
        _phase!.Report(corpus.Done, total);
    }

    // What was seen last of a phase is seldom its end.
    private void EndPhase(bool done)
    {
        if (_phase is null)
            return;
        if (done && _phaseTotal is { } total)
            _phase.Report(total, total);
        if (done)
            _phase.Complete();
        else
            _phase.Dispose();
        (_phase, _phaseTotal) = (null, null);
    }

    private void ShowWait(Job job)
    {
        var waitsFor = job.State is JobState.Queued or JobState.Running ? job.Reason : "";
        if (waitsFor.Length > 0 && waitsFor != _waitsFor)
            progress.Note($"{Words.State(job.State)}: {waitsFor}");
        _waitsFor = waitsFor;
    }

    private void ShowAgain(Job job)
    {
        if (job.HasAgainFrom && _again != (job.Lineage, job.Generation))
        {
            _again = (job.Lineage, job.Generation);
            progress.Note(Words.Again(job));
        }
    }

    // That a rank has become slow is in the history; that it is not so any more is not.
    private void ShowSlow(IReadOnlyCollection<Rank> ranks)
    {
        var slow = ranks.Where(rank => rank.Straggler).ToList();
        foreach (var rank in ranks.Where(rank => !rank.Straggler && _slow.Contains(rank.Member)))
            progress.Note($"rank {rank.Rank_} on worker {rank.Worker} keeps up again");
        _slow.Clear();
        _slow.UnionWith(slow.Select(rank => rank.Member));
    }

    private static string Sentence(string phase) => char.ToUpperInvariant(phase[0]) + phase[1..];

    private void ShowStep(MetricPoint metrics, Job job)
    {
        var steps = job.TotalSteps;
        _rate.Take(metrics.Lineage, metrics.Generation, metrics.Step);
        if (metrics.HasHeldOutLoss)
            _perplexity = Math.Exp(metrics.HeldOutLoss);
        if (metrics.Measures.Count > 0)
            _measures = metrics.Measures.ToDictionary(StringComparer.Ordinal);
        progress.ReportTraining(new TrainingProgress(metrics.Step, steps, metrics.Loss, _perplexity, metrics.TokensPerSecond, _rate.Left(steps), _measures,
            Words.IsInference(job) ? "documents" : null, job.DocumentsPerStep));
    }
}
