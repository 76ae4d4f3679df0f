using Linformer.Data;
using Linformer.Data.Corpora;
using Linformer.Data.Labelled;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Classification;
using Linformer.Model.Kernels;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Training.Tasks;
using Linformer.Worker.Jobs;

namespace Linformer.Worker.Ranks.Tasks;

/// <summary><c>task: classification</c>: classes, or with <c>corpus.examples.target: number</c> regression.</summary>
internal sealed class ClassificationRankTask : IRankTask
{
    private const int ShownTokens = 20;
    private const int ShownClasses = 20;

    private readonly RankTaskContext _context;
    private readonly ITokenizer _tokenizer;
    private readonly LabelledDataset _dataset;
    private readonly ClassificationModel _model;
    private readonly ClassificationTask _task;

    /// <summary>Loads it; the parameters hold nothing yet.</summary>
    /// <param name="context">What it is built from.</param>
    /// <exception cref="BadDataException">The corpus is too small or damaged, an example is too long, or a measure that the job asks for is not one of its classes.</exception>
    public ClassificationRankTask(RankTaskContext context)
    {
        _context = context;
        var (job, options) = (context.Job, context.Options);
        _tokenizer = TokenizerFile.Load(context.TokenizerFile);
        _dataset = LabelledDataset.Open(context.Start.CorpusFolder, _tokenizer, job.Corpus.HeldOut);
        try
        {
            CheckParts();
            _dataset.CheckHeldOutClasses(context.Start.StorageRoot);
            CheckMeasures();
            var encoder = JobMapping.ExampleEncoder(job, _tokenizer.Special);
            CheckLengths(_dataset.Training, encoder);
            CheckLengths(_dataset.HeldOut, encoder);
            _model = new ClassificationModel(
                JobMapping.ModelConfig(job, _tokenizer.VocabularySize), JobMapping.ClassificationHead(job, _dataset.Classes), context.Placement);
            WithoutKernels = FusedEncoder.WhyNot(_model.Encoder, options.Precision);
            _task = new ClassificationTask(
                _model,
                _dataset.Training,
                _dataset.HeldOut,
                _tokenizer.Special,
                encoder,
                new SampleOrder(_dataset.Training.Count, options.Seed, job.Corpus.ShuffleBlock),
                FusedEncoder.TryCreate(_model.Encoder, options.Precision));
        }
        catch
        {
            // The model is the task's, once there is one.
            ((IDisposable?)_task ?? _model)?.Dispose();
            _dataset.Dispose();
            throw;
        }

        Note = ClassesWithoutExamples();
    }

    /// <inheritdoc/>
    public ITrainingTask Training => _task;

    /// <inheritdoc/>
    public string? WithoutKernels { get; }

    /// <inheritdoc/>
    public string? Note { get; }

    /// <inheritdoc/>
    public void GiveFirstValues()
    {
        Initialization.Apply(_model, _context.Options.Seed, JobMapping.InitialScale(_context.Job));
        if (_context.Job.InitializeFrom is { } folder)
        {
            // The same rules as for the corpus: inside the storage root, links included.
            var root = _context.Start.StorageRoot;
            var config = CorpusFiles.ResolveOne(root, $"{folder}/{ConfigFile.Name}", "initializeFrom");
            var weights = CorpusFiles.ResolveOne(root, $"{folder}/{ModelFolder.WeightsName}", "initializeFrom");
            var source = ConfigFile.Read(File.ReadAllText(config), config);
            _context.NoteResized(EncoderWeights.Load(weights, source, _model));
            _context.HeadAnew = source.Classification is { } head ? HeadWeights.LoadOrWhyNot(weights, head, _model) : null;
        }
    }

    /// <inheritdoc/>
    public RankSummary Summary(long step, long parameters, EvaluationResult evaluation) => new(
        step, parameters, evaluation.Loss, evaluation.Perplexity, double.NaN, evaluation.Predicted, _context.Start.ModelFolder, evaluation.Measures);

    /// <inheritdoc/>
    public void Save() => ModelFolder.Save(
        _context.Start.ModelFolder, _model, new ModelDescription(ModelKind.Classification, _model.Config, _model.Head), _context.TokenizerFile);

    /// <inheritdoc/>
    public void Dispose()
    {
        _task.Dispose();
        _dataset.Dispose();
    }

    private void CheckParts()
    {
        var (training, heldOut) = (_dataset.Training.Count, _dataset.HeldOut.Count);
        if (training == 0 || heldOut == 0)
        {
            throw new BadDataException($"The corpus gives {training} training and {heldOut} held-out examples; at least one of each is needed. Add examples, change corpus.heldOut ({_context.Job.Corpus.HeldOut}), or name corpus.heldOutFiles.");
        }
    }

    // A share that is held out by chance may take all examples of a rare class, and the settings may name one that there is not.
    private string? ClassesWithoutExamples()
    {
        var without = _dataset.UntrainedClasses();
        var more = without.Count > ShownClasses ? $" and {without.Count - ShownClasses} more" : "";
        return without.Count == 0 ? null : $"There is no training example of the class {string.Join(", ", without.Take(ShownClasses))}{more}: the model does not learn to tell it.";
    }

    private void CheckMeasures()
    {
        var training = _context.Job.Training;
        if (_dataset.Classes.Count > 2 && (training.KeepBest == MeasureKind.F1 || training.EarlyStopping?.Measure == MeasureKind.F1))
        {
            throw new BadDataException($"The measure f1 is of two classes, and the corpus has {_dataset.Classes.Count}; allowed are macro-f1 and micro-f1.");
        }
    }

    // Rather now than in the middle of the training.
    private void CheckLengths(ExampleSet examples, ExampleEncoder encoder)
    {
        if (ClassificationTask.WhyNot(examples, encoder) is var (index, reason))
        {
            var text = _tokenizer.DecodeText(examples.Read(index).Text.AsSpan(0, Math.Min(ShownTokens, examples.Read(index).Text.Length)));
            throw new BadDataException($"The example that begins \"{text.ReplaceLineEndings(" ")}\" {reason}.");
        }
    }
}
