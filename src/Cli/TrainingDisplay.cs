using System.Diagnostics;
using Linformer.Cli.Progress;
using Linformer.Cli.Views;
using Linformer.Data;
using Linformer.Protocol;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;

namespace Linformer.Cli;

/// <summary>Shows a training on this machine: the phases of the corpus, then the steps.</summary>
/// <param name="progress">Where it is shown.</param>
internal sealed class TrainingDisplay(IProgressReporter progress) : ITrainingObserver, IDisposable
{
    private readonly Lock _lock = new();
    private PreparationPhase? _phaseKind;
    private IProgressPhase? _phase;
    private double? _perplexity;
    private IReadOnlyDictionary<string, double>? _measures;
    private long _firstStep;
    private long _started;
    private string? _unit;
    private long _unitsPerStep;

    /// <inheritdoc/>
    public void Report(PreparationProgress value)
    {
        lock (_lock)
        {
            if (value.Phase != _phaseKind)
            {
                _phase?.Complete();
                _phaseKind = value.Phase;
                var (name, unit) = Describe(value.Phase);
                _phase = progress.StartPhase(name, unit, value.Total);
            }

            _phase?.Report(value.Done, value.Total);
        }
    }

    /// <inheritdoc/>
    public void CorpusReady(PreparedCorpus corpus)
    {
        lock (_lock)
        {
            _phase?.Complete();
            _phase = null;
        }

        var manifest = corpus.Manifest;
        progress.Note($"Corpus: {manifest.Tokens:#,0} tokens in {manifest.Documents:#,0} documents{(corpus.WasReused ? " (sharded before)" : "")}, vocabulary {manifest.VocabularySize:#,0}");
    }

    /// <inheritdoc/>
    public void Starting(JobFile job, int ranks, long step)
    {
        _firstStep = step;
        (_unit, _unitsPerStep) = job.Inference is { } inference ? ("documents", (long)inference.ShardDocuments * job.Training.GlobalBatch) : (null, 0);
        var how = $"Starting {ranks} {Ranks(ranks)}, {Words.Computes(job)}";
        progress.Note(step == 0 ? how : $"{how}, from the checkpoint of step {step}");
    }

    /// <inheritdoc/>
    public void StepDone(ProgressMessage message)
    {
        // The first step of a process loads and tunes libraries; the time left is told from the second on.
        _perplexity = message.HeldOutPerplexity ?? _perplexity;
        _measures = message.Measures ?? _measures;
        TimeSpan? left = null;
        if (_started == 0)
        {
            (_started, _firstStep) = (Stopwatch.GetTimestamp(), message.Step);
        }
        else if (message.Step > _firstStep)
        {
            left = Stopwatch.GetElapsedTime(_started) / (message.Step - _firstStep) * (message.TotalSteps - message.Step);
        }

        progress.ReportTraining(new TrainingProgress(message.Step, message.TotalSteps, message.Loss, _perplexity, message.TokensPerSecond, left, _measures, _unit, _unitsPerStep));
    }

    /// <inheritdoc/>
    public void Warn(string message) => progress.Note($"warning: {message}");

    /// <inheritdoc/>
    public void Dispose() => _phase?.Dispose();

    private static string Ranks(int count) => count == 1 ? "rank" : "ranks";

    private static (string Name, string Unit) Describe(PreparationPhase phase) => phase switch
    {
        PreparationPhase.Fingerprint => ("Reading the corpus", "bytes"),
        PreparationPhase.TokenizerSample => ("Sampling text for the tokenizer", "bytes"),
        PreparationPhase.TokenizerTraining => ("Training the tokenizer", "percent"),
        PreparationPhase.Shards => ("Sharding the corpus", "bytes"),
        _ => ("Checking the shards", "bytes"),
    };
}
