using System.Diagnostics;
using System.Text;
using Linformer.Data;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Training.Checkpoints;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Tasks;
using Linformer.Worker.Jobs;
using Linformer.Worker.RankProtocol;
using Serilog;
using static TorchSharp.torch;

namespace Linformer.Worker.Ranks;

/// <summary>One rank's part in a job, from its orders to the finished model.</summary>
internal sealed class RankSession : IDisposable
{
    // More than this many training sequences are sampled for the unigram model.
    private const long UnigramSequences = 100_000;

    private const string CheckpointKey = "resume-from";
    private const string NoCheckpoint = "none";

    // Rank 0 reads whole checkpoints meanwhile.
    private static readonly TimeSpan CheckpointTimeout = TimeSpan.FromMinutes(10);

    private readonly StartMessage _start;
    private readonly RankControl _control;
    private readonly ILogger _log;
    private readonly JobFile _job;
    private readonly TrainingOptions _options;
    private readonly ByteBpeTokenizer _tokenizer;
    private readonly SequenceDataset _dataset;
    private readonly MaskedLanguageModel _model;
    private readonly MaskedLanguageTask _task;
    private readonly IProcessGroup _group;
    private readonly Trainer _trainer;
    private readonly BackgroundCheckpoints? _checkpoints;

    public RankSession(StartMessage start, RankControl control, ILogger log)
    {
        (_start, _control, _log) = (start, control, log);
        set_num_threads(start.Threads);
        _group = start.WorldSize == 1
            ? new SingleProcessGroup(start.Generation)
            : new GlooProcessGroup(start.Rank, start.WorldSize, start.Generation, new ControlPipeRendezvous(control), GlooOptions(start));
        _job = JobFileParser.Parse(Encoding.UTF8.GetBytes(start.JobJson), "job").OrThrow();
        _options = JobMapping.TrainingOptions(_job);
        _tokenizer = ByteBpeTokenizer.Load(Path.Combine(start.CorpusFolder, CorpusPreparation.TokenizerFileName));
        _dataset = OpenDataset();
        _model = new MaskedLanguageModel(JobMapping.ModelConfig(_job, _tokenizer.VocabularySize));
        _task = new MaskedLanguageTask(
            _model,
            _dataset.Training,
            _dataset.HeldOut,
            _tokenizer,
            new SampleOrder(_dataset.Training.Count, _options.Seed, _job.Corpus.ShuffleBlock),
            new Masker(_options.Seed, _tokenizer.VocabularySize, _tokenizer.Special, _job.Training.MaskProbability));
        CheckHeldOut();
        GiveFirstValues();
        _trainer = new Trainer(_task, _options, _group);
        var store = new CheckpointStore(Path.Combine(start.RunFolder, StorageLayout.CheckpointsName));
        if (FindCheckpoint(store) is { } checkpoint)
        {
            TrainerCheckpoint.Restore(checkpoint, _trainer, _options.GlobalBatch);
        }

        _checkpoints = start.Rank == 0 ? new BackgroundCheckpoints(store, start, control, log, _options) : null;
    }

    /// <summary>Trains to the end, or to where it is asked to stop.</summary>
    public void Run()
    {
        _log.Information(
            "Rank {Rank} of {WorldSize}: {Parameters} parameters, {Training} training and {HeldOut} held-out sequences, from step {Step} to {Steps}",
            _start.Rank, _start.WorldSize, Parameters, _task.TrainingSequences, _task.HeldOutSequences, _trainer.Step, _options.Steps);
        using var stop = _control.StopRequested.Register(_trainer.RequestStop);
        _model.train();
        var evaluation = TrainSteps(out var stopped);
        if (stopped)
        {
            _checkpoints?.FinishWriting(mustBeWritten: true);
            _log.Information("Stopped after step {Step}", _trainer.Step);
            _control.ReportStopped(_trainer.Step);
            return;
        }

        evaluation ??= _trainer.Evaluate();
        _checkpoints?.FinishWriting(mustBeWritten: false);
        var summary = _start.Rank == 0 ? Finish(evaluation.Value) : "{}";
        _log.Information("Done after step {Step}: held-out perplexity {Perplexity}", _trainer.Step, evaluation.Value.Perplexity);
        _control.ReportFinished(summary);
    }

    public void Dispose()
    {
        _checkpoints?.Dispose();
        _trainer.Dispose();
        _task.Dispose();
        _dataset.Dispose();
        _group.Dispose();
    }

    private long Parameters => _trainer.Parameters.Slices.Sum(slice => slice.Length);

    private EvaluationResult? TrainSteps(out bool stopped)
    {
        var throughput = new Throughput();
        EvaluationResult? evaluation = null;
        stopped = false;
        while (_trainer.Step < _options.Steps && !stopped)
        {
            var started = Stopwatch.GetTimestamp();
            var result = _trainer.TrainStep();
            var tokensPerSecond = throughput.Add(result.Tokens, started);
            var last = result.Step == _options.Steps;
            stopped = result.StopRequested && !last;
            evaluation = last || IsDue(_options.EvaluateEvery) ? _trainer.Evaluate() : null;
            Report(result, tokensPerSecond, evaluation);
            if (last || stopped || IsDue(_options.CheckpointEvery))
            {
                _checkpoints?.Write(_trainer);
            }
        }

        return evaluation;
    }

    private bool IsDue(long every) => every > 0 && _trainer.Step % every == 0;

    private void Report(StepResult result, double tokensPerSecond, EvaluationResult? evaluation)
    {
        if (_start.Rank == 0 && result.Skipped is { } reason)
        {
            _log.ForContext("Step", result.Step).Warning("Step {Step} was not applied: {Reason}", result.Step, reason);
            _control.ReportWarning($"Step {result.Step} was not applied: {reason}");
        }

        if (_start.Rank == 0 && evaluation is { } measured)
        {
            _log.ForContext("Step", result.Step).Information(
                "Step {Step}: loss {Loss:0.0000}, held-out perplexity {Perplexity:0.00}", result.Step, result.Loss, measured.Perplexity);
        }

        _control.ReportProgress(new ProgressMessage(
            result.Step, _options.Steps, result.Loss, result.LearningRate, tokensPerSecond, evaluation?.Loss, evaluation?.Perplexity, result.GradientNorm));
    }

    private static GlooOptions GlooOptions(StartMessage start) => new()
    {
        BindAddress = start.ListenAddress,
        AdvertisedAddress = start.AdvertisedAddress,
    };

    private CheckpointInfo? FindCheckpoint(CheckpointStore store) => _start.ResumeFrom switch
    {
        null => null,
        StartMessage.NewestCheckpoint => FindNewestTogether(store),
        var name => store.OpenVerified(CheckpointId.Parse(name)),
    };

    // What is newest may look different to each: a damaged file, or a network file system that lags behind.
    private CheckpointInfo? FindNewestTogether(CheckpointStore store)
    {
        if (_start.Rank == 0)
        {
            var newest = store.FindNewestValid(damage =>
            {
                _log.Warning("{Damage}", damage);
                _control.ReportWarning(damage.ToString());
            });
            _control.RendezvousSet(CheckpointKey, Encoding.UTF8.GetBytes(newest?.Id.ToString() ?? NoCheckpoint));
            return newest;
        }

        var name = Encoding.UTF8.GetString(_control.RendezvousGet(CheckpointKey, CheckpointTimeout));
        return name == NoCheckpoint ? null : store.OpenVerified(CheckpointId.Parse(name));
    }

    private SequenceDataset OpenDataset()
    {
        var special = _tokenizer.Special;
        var separator = special.Separator ?? special.Begin ?? special.Unknown
            ?? throw new BadDataException("The tokenizer has neither </s> nor <s> nor <unk>, one of which must stand between documents.");
        var dataset = SequenceDataset.Open(_start.CorpusFolder, _job.Model.SequenceLength, _job.Corpus.HeldOut, separator);
        if (dataset.Training.Count == 0 || dataset.HeldOut.Count == 0)
        {
            var (training, heldOut) = (dataset.Training.Count, dataset.HeldOut.Count);
            dataset.Dispose();
            throw new BadDataException($"The corpus gives {training} training and {heldOut} held-out sequences of {_job.Model.SequenceLength} tokens; at least one of each is needed. Add text, or change corpus.heldOut ({_job.Corpus.HeldOut}).");
        }

        return dataset;
    }

    // Otherwise every perplexity of the job would be 0/0.
    private void CheckHeldOut()
    {
        if (!_task.HeldOutTargets().Any())
        {
            throw new BadDataException($"None of the {_dataset.HeldOut.Tokens} held-out tokens is masked, so the model cannot be measured. Add text, or raise corpus.heldOut ({_job.Corpus.HeldOut}).");
        }
    }

    private void GiveFirstValues()
    {
        Initialization.Apply(_model, _options.Seed);
        if (_job.InitializeFrom is { } folder)
        {
            ModelFolder.LoadWeights(Path.Combine(_start.StorageRoot, folder), _model);
        }
    }

    private string Finish(EvaluationResult evaluation)
    {
        ModelFolder.Save(_start.ModelFolder, _model, Path.Combine(_start.CorpusFolder, CorpusPreparation.TokenizerFileName));
        var unigram = UnigramModel.Count(_dataset.Training, _tokenizer.VocabularySize, _tokenizer.Special, UnigramSequences)
            .Perplexity(_task.HeldOutTargets());
        return new RankSummary(
            _trainer.Step, Parameters, evaluation.Loss, evaluation.Perplexity, unigram, evaluation.Predicted, _start.ModelFolder).ToJson();
    }
}
