using Linformer.Data;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Kernels;
using Linformer.Training;
using Linformer.Training.Tasks;
using Linformer.Worker.Jobs;

namespace Linformer.Worker.Ranks.Tasks;

/// <summary><c>task: masked-lm</c>.</summary>
internal sealed class MaskedLanguageRankTask : IRankTask
{
    private readonly RankTaskContext _context;
    private readonly ITokenizer _tokenizer;
    private readonly SequenceDataset _dataset;
    private readonly MaskedLanguageModel _model;
    private readonly MaskedLanguageTask _task;

    /// <summary>Loads it; the parameters hold nothing yet.</summary>
    /// <param name="context">What it is built from.</param>
    /// <exception cref="BadDataException">The corpus is too small or damaged.</exception>
    public MaskedLanguageRankTask(RankTaskContext context)
    {
        _context = context;
        var (job, options) = (context.Job, context.Options);
        _tokenizer = TokenizerFile.Load(context.TokenizerFile);
        _dataset = context.OpenSequences(_tokenizer);
        try
        {
            _model = new MaskedLanguageModel(JobMapping.ModelConfig(job, _tokenizer.VocabularySize), context.Placement);
            WithoutKernels = FusedLanguageModel.WhyNot(_model, options.Precision);
            _task = new MaskedLanguageTask(
                _model,
                _dataset.Training,
                _dataset.HeldOut,
                _tokenizer,
                new SampleOrder(_dataset.Training.Count, options.Seed, job.Corpus.ShuffleBlock),
                new Masker(options.Seed, _tokenizer.VocabularySize, _tokenizer.Special, job.Training.MaskProbability),
                WithoutKernels is null ? new FusedLanguageModel(_model, options.Precision) : null);
            CheckHeldOut();
        }
        catch
        {
            // The model is the task's, once there is one.
            ((IDisposable?)_task ?? _model)?.Dispose();
            _dataset.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public ITrainingTask Training => _task;

    /// <inheritdoc/>
    public string? WithoutKernels { get; }

    /// <inheritdoc/>
    public void GiveFirstValues() => _context.GiveFirstValues(_model);

    /// <inheritdoc/>
    public RankSummary Summary(long step, long parameters, EvaluationResult evaluation)
    {
        var unigram = UnigramModel.Count(_dataset.Training, _tokenizer.VocabularySize, _tokenizer.Special, UnigramModel.EnoughSequences)
            .Perplexity(_task.HeldOutTargets());
        return new RankSummary(
            step, parameters, evaluation.Loss, evaluation.Perplexity, unigram, evaluation.Predicted, _context.Start.ModelFolder);
    }

    /// <inheritdoc/>
    public void Save() => ModelFolder.Save(_context.Start.ModelFolder, _model, _context.TokenizerFile);

    /// <inheritdoc/>
    public void Dispose()
    {
        _task.Dispose();
        _dataset.Dispose();
    }

    // Otherwise every perplexity of the job would be 0/0.
    private void CheckHeldOut()
    {
        if (!_task.HeldOutTargets().Any())
        {
            throw new BadDataException($"None of the {_dataset.HeldOut.Tokens} held-out tokens is masked, so the model cannot be measured. Add text, or raise corpus.heldOut ({_context.Job.Corpus.HeldOut}).");
        }
    }
}
