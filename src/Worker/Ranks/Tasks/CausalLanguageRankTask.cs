using Linformer.Data;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Decoding;
using Linformer.Training;
using Linformer.Training.Tasks;
using Linformer.Worker.Jobs;

namespace Linformer.Worker.Ranks.Tasks;

/// <summary><c>task: causal-lm</c>.</summary>
internal sealed class CausalLanguageRankTask : IRankTask
{
    private readonly RankTaskContext _context;
    private readonly ITokenizer _tokenizer;
    private readonly SequenceDataset _dataset;
    private readonly CausalLanguageModel _model;
    private readonly CausalLanguageTask _task;

    /// <summary>Loads it; the parameters hold nothing yet.</summary>
    /// <param name="context">What it is built from.</param>
    /// <exception cref="BadDataException">The corpus is too small or damaged.</exception>
    public CausalLanguageRankTask(RankTaskContext context)
    {
        _context = context;
        _tokenizer = TokenizerFile.Load(context.TokenizerFile);
        _dataset = context.OpenSequences(_tokenizer);
        try
        {
            _model = new CausalLanguageModel(JobMapping.DecoderConfig(context.Job, _tokenizer.VocabularySize), context.Placement);
            var order = new SampleOrder(_dataset.Training.Count, context.Options.Seed, context.Job.Corpus.ShuffleBlock);
            _task = new CausalLanguageTask(_model, _dataset.Training, _dataset.HeldOut, _tokenizer, order);
            if (!_task.HeldOutTargets().Any())
            {
                // Otherwise every perplexity of the job would be 0/0.
                throw new BadDataException($"The held-out text is of {_dataset.HeldOut.Tokens} tokens, so there is nothing to predict. Add text, or raise corpus.heldOut ({context.Job.Corpus.HeldOut}).");
            }
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
    public string? WithoutKernels => "there are no kernels for causal attention";

    /// <inheritdoc/>
    public void GiveFirstValues() => _context.GiveFirstValues(_model);

    /// <inheritdoc/>
    public RankSummary Summary(long step, long parameters, EvaluationResult evaluation)
    {
        // Frequencies are of ordinary tokens; the model is measured on the ends of documents as well.
        var unigram = UnigramModel.Count(_dataset.Training, _tokenizer.VocabularySize, _tokenizer.Special, UnigramModel.EnoughSequences)
            .Perplexity(_task.HeldOutTargets().Where(token => !_tokenizer.Special.Contains(token)));
        return new RankSummary(step, parameters, evaluation.Loss, evaluation.Perplexity, unigram, evaluation.Predicted, _context.Start.ModelFolder);
    }

    /// <inheritdoc/>
    public void Save() =>
        ModelFolder.Save(_context.Start.ModelFolder, _model, new ModelDescription(ModelKind.CausalLanguage, _model.Config), _context.TokenizerFile);

    /// <inheritdoc/>
    public void Dispose()
    {
        _task.Dispose();
        _dataset.Dispose();
    }
}
