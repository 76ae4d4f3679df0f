using Linformer.Data;
using Linformer.Data.Labelled;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Decoding;
using Linformer.Training;
using Linformer.Training.Tasks;
using Linformer.Worker.Jobs;

namespace Linformer.Worker.Ranks.Tasks;

/// <summary><c>task: sequence-to-sequence</c>.</summary>
internal sealed class SequenceToSequenceRankTask : IRankTask
{
    private readonly RankTaskContext _context;
    private readonly ITokenizer _tokenizer;
    private readonly PairDataset _pairs;
    private readonly SequenceToSequenceModel _model;
    private readonly SequenceToSequenceTask _task;

    /// <summary>Loads it; the parameters hold nothing yet.</summary>
    /// <param name="context">What it is built from.</param>
    /// <exception cref="BadDataException">The pairs are too few, too long or damaged.</exception>
    public SequenceToSequenceRankTask(RankTaskContext context)
    {
        _context = context;
        _tokenizer = TokenizerFile.Load(context.TokenizerFile);
        _pairs = PairDataset.Open(context.Start.CorpusFolder, _tokenizer, context.Job.Corpus.HeldOut);
        try
        {
            if (_pairs.Training.Count == 0 || _pairs.HeldOut.Count == 0)
            {
                throw new BadDataException($"The corpus gives {_pairs.Training.Count} training and {_pairs.HeldOut.Count} held-out pairs; at least one of each is needed. Add pairs, or change corpus.heldOut ({context.Job.Corpus.HeldOut}).");
            }

            _model = new SequenceToSequenceModel(JobMapping.DecoderConfig(context.Job, _tokenizer.VocabularySize), context.Placement);
            var order = new SampleOrder(_pairs.Training.Count, context.Options.Seed, context.Job.Corpus.ShuffleBlock);
            _task = new SequenceToSequenceTask(_model, _pairs, _tokenizer, order);
        }
        catch
        {
            // The model is the task's, once there is one.
            ((IDisposable?)_task ?? _model)?.Dispose();
            _pairs.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public ITrainingTask Training => _task;

    /// <inheritdoc/>
    public string? WithoutKernels => "there are no kernels for an encoder and a decoder";

    /// <inheritdoc/>
    public void GiveFirstValues() => _context.GiveFirstValues(_model);

    /// <inheritdoc/>
    public RankSummary Summary(long step, long parameters, EvaluationResult evaluation)
    {
        var unigram = new UnigramModel(_tokenizer.VocabularySize, _tokenizer.Special);
        for (var i = 0L; i < Math.Min(UnigramModel.EnoughSequences, _pairs.Training.Count); i++)
        {
            unigram.Add(_pairs.Training.Read(i).Target);
        }

        return new RankSummary(
            step, parameters, evaluation.Loss, evaluation.Perplexity, unigram.Perplexity(_task.HeldOutTargets()), evaluation.Predicted, _context.Start.ModelFolder, evaluation.Measures);
    }

    /// <inheritdoc/>
    public void Save() =>
        ModelFolder.Save(_context.Start.ModelFolder, _model, new ModelDescription(ModelKind.SequenceToSequence, _model.Config), _context.TokenizerFile);

    /// <inheritdoc/>
    public void Dispose()
    {
        _task.Dispose();
        _pairs.Dispose();
    }
}
