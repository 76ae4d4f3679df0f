using System.Text;
using Linformer.Data;
using Linformer.Data.Corpora;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Layers;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Training.Tasks;
using Linformer.Worker.Jobs;
using Linformer.Worker.RankProtocol;
using static TorchSharp.torch;

namespace Linformer.Worker.Ranks;

/// <summary>What a rank process loads before it is warm: the job, its data, its model, and the trainer of all three.</summary>
internal sealed class LoadedJob : IDisposable
{
    // More than this many training sequences are sampled for the unigram model.
    private const long UnigramSequences = 100_000;

    private readonly StartMessage _start;
    private readonly JobFile _job;
    private readonly ByteBpeTokenizer _tokenizer;
    private readonly SequenceDataset _dataset;
    private readonly MaskedLanguageModel _model;
    private readonly MaskedLanguageTask _task;

    /// <summary>Loads it.</summary>
    /// <param name="start">The process's orders.</param>
    /// <param name="device">Where model and optimizer live.</param>
    /// <exception cref="BadDataException">The corpus is too small or damaged.</exception>
    public LoadedJob(StartMessage start, Device device)
    {
        _start = start;
        _job = JobFileParser.Parse(Encoding.UTF8.GetBytes(start.JobJson), "job", cuda: true).OrThrow();
        Options = JobMapping.TrainingOptions(_job);
        _tokenizer = ByteBpeTokenizer.Load(Path.Combine(start.CorpusFolder, CorpusPreparation.TokenizerFileName));
        _dataset = OpenDataset();
        _model = new MaskedLanguageModel(JobMapping.ModelConfig(_job, _tokenizer.VocabularySize), new Placement(ScalarType.Float32, device));
        _task = new MaskedLanguageTask(
            _model,
            _dataset.Training,
            _dataset.HeldOut,
            _tokenizer,
            new SampleOrder(_dataset.Training.Count, Options.Seed, _job.Corpus.ShuffleBlock),
            new Masker(Options.Seed, _tokenizer.VocabularySize, _tokenizer.Special, _job.Training.MaskProbability));
        CheckHeldOut();
        GiveFirstValues();
        Trainer = new Trainer(_task, Options);
        _model.train();
    }

    public TrainingOptions Options { get; }

    public Trainer Trainer { get; }

    public long Parameters => Trainer.Parameters.Slices.Sum(slice => slice.Length);

    public long TrainingSequences => _task.TrainingSequences;

    public long HeldOutSequences => _task.HeldOutSequences;

    /// <summary>Puts the trainer before its first step, whatever it held.</summary>
    public void StartAnew()
    {
        GiveFirstValues();
        Trainer.Optimizer.FirstMoment.zero_();
        Trainer.Optimizer.SecondMoment.zero_();
        Trainer.ContinueFrom(TrainerState.Initial);
    }

    /// <summary>What to tell the user of a job that is done.</summary>
    public RankSummary Summary(EvaluationResult evaluation)
    {
        var unigram = UnigramModel.Count(_dataset.Training, _tokenizer.VocabularySize, _tokenizer.Special, UnigramSequences)
            .Perplexity(_task.HeldOutTargets());
        return new RankSummary(
            Trainer.Step, Parameters, evaluation.Loss, evaluation.Perplexity, unigram, evaluation.Predicted, _start.ModelFolder);
    }

    /// <summary>Writes the model's folder and the history of the ranks that have trained it.</summary>
    public void Save()
    {
        ModelFolder.Save(_start.ModelFolder, _model, Path.Combine(_start.CorpusFolder, CorpusPreparation.TokenizerFileName));
        Trainer.State.World.Save(Path.Combine(_start.RunFolder, StorageLayout.HistoryName));
    }

    public void Dispose()
    {
        Trainer.Dispose();
        _task.Dispose();
        _dataset.Dispose();
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
        Initialization.Apply(_model, Options.Seed);
        if (_job.InitializeFrom is { } folder)
        {
            // The same rules as for the corpus: inside the storage root, links included.
            var weights = CorpusFiles.ResolveOne(_start.StorageRoot, $"{folder}/{ModelFolder.WeightsName}", "initializeFrom");
            ModelFolder.LoadWeightsFile(weights, _model);
        }
    }
}
