using Linformer.Data;
using Linformer.Data.Tokenizers;
using Linformer.Model.Decoding;
using static TorchSharp.torch;

namespace Linformer.Training.Tasks;

/// <summary>Causal language modelling: every token of a sequence but the first is predicted from those before it.</summary>
public sealed class CausalLanguageTask : ITrainingTask
{
    private readonly CausalLanguageModel _model;
    private readonly SequenceSet _training;
    private readonly SequenceSet _heldOut;
    private readonly MaskedBatchReader _heldOutBatches;
    private readonly Prefetcher<MaskedBatch> _trainingBatches;
    private Action _batchMade = () => { };

    /// <summary>Brings model and data together. The model is disposed with the task, the data are not.</summary>
    /// <param name="model">The model.</param>
    /// <param name="training">Training sequences of the model's length.</param>
    /// <param name="heldOut">Held-out sequences of the model's length.</param>
    /// <param name="tokenizer">The tokenizer of the sequences.</param>
    /// <param name="order">The order in which the training sequences are seen.</param>
    public CausalLanguageTask(CausalLanguageModel model, SequenceSet training, SequenceSet heldOut, ITokenizer tokenizer, SampleOrder order)
    {
        (_model, _training, _heldOut) = (model, training, heldOut);
        var padding = tokenizer.Special.Pad ?? 0; // what stands under padding changes nothing
        _heldOutBatches = new MaskedBatchReader(heldOut, order: null, NextTokens, padding, model.Device);
        var trainingReader = new MaskedBatchReader(training, order, NextTokens, padding, model.Device);
        _trainingBatches = new Prefetcher<MaskedBatch>(trainingReader.Read);
    }

    /// <inheritdoc/>
    public nn.Module Model => _model;

    /// <inheritdoc/>
    public long TrainingSequences => _training.Count;

    /// <inheritdoc/>
    public long HeldOutSequences => _heldOut.Count;

    /// <summary>The layers from the last to the first; what they share, and the embeddings, which the output shares, are in no group.</summary>
    public IReadOnlyList<IReadOnlyList<string>> GradientOrder
    {
        get
        {
            var names = _model.named_parameters().Select(p => p.name).ToArray();
            var prefixes = Enumerable.Range(0, _model.Config.Layers).Reverse().Select(layer => $"decoder.layers.{layer}.").Prepend("decoder.norm.");
            return [.. prefixes.Select(prefix => names.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).ToArray())];
        }
    }

    /// <inheritdoc/>
    public void Upcoming(long firstSample, int count) => _trainingBatches.Announce(firstSample, count);

    /// <inheritdoc/>
    public MicroBatchLoss TrainingLoss(long firstSample, int count)
    {
        using var batch = _trainingBatches.Take(firstSample, count);
        return Loss(batch, _batchMade);
    }

    /// <inheritdoc/>
    public MicroBatchLoss HeldOutLoss(long firstSequence, int count)
    {
        using var batch = _heldOutBatches.Read(firstSequence, count);
        return Loss(batch, batchMade: () => { });
    }

    /// <inheritdoc/>
    public void OnBatchMade(Action made) => _batchMade = made;

    /// <summary>The tokens that <see cref="HeldOutLoss"/> asks for, so that other predictors can be asked for the same.</summary>
    public IEnumerable<int> HeldOutTargets()
    {
        var tokens = new int[_heldOut.SequenceLength];
        for (var sequence = 0L; sequence < HeldOutSequences; sequence++)
        {
            var length = _heldOut.Read(sequence, tokens);
            for (var i = 1; i < length; i++)
            {
                yield return tokens[i];
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _trainingBatches.Dispose();
        _model.Dispose();
    }

    private static int NextTokens(long number, ReadOnlySpan<int> tokens, int count, Span<int> inputs, Span<int> positions, Span<int> targets)
    {
        tokens[..count].CopyTo(inputs);
        for (var i = 0; i < count - 1; i++)
        {
            (positions[i], targets[i]) = (i, tokens[i + 1]);
        }

        return Math.Max(0, count - 1);
    }

    private MicroBatchLoss Loss(MaskedBatch batch, Action batchMade)
    {
        if (batch.Predicted == 0)
        {
            return new MicroBatchLoss(null, 0, batch.Tokens);
        }

        batch.Place();
        batchMade();

        // Padding stands behind all tokens, so no token sees it, and no mask is needed.
        var logits = _model.LogitsAt(batch.Ids, attentionMask: null, batch.Positions); // [predicted, vocabulary]
        return new MicroBatchLoss(nn.functional.cross_entropy(logits, batch.Targets, reduction: nn.Reduction.Sum), batch.Predicted, batch.Tokens);
    }
}
