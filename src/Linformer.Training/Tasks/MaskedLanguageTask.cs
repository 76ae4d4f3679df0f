using Linformer.Data;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Kernels;
using static TorchSharp.torch;

namespace Linformer.Training.Tasks;

/// <summary>Masked language modelling (Devlin et al. 2018), with the masks drawn anew for every sample as in RoBERTa.</summary>
public sealed class MaskedLanguageTask : ITrainingTask
{
    private readonly MaskedLanguageModel _model;
    private readonly FusedLanguageModel? _fused;
    private readonly SequenceSet _training;
    private readonly SequenceSet _heldOut;
    private readonly Masker _masker;
    private readonly MaskedBatchReader _heldOutBatches;
    private readonly Prefetcher<MaskedBatch> _trainingBatches;
    private Action _batchMade = () => { };

    /// <summary>Brings model and data together. The model is disposed with the task, the data are not.</summary>
    /// <param name="model">The model, with its first values.</param>
    /// <param name="training">Training sequences of the model's length.</param>
    /// <param name="heldOut">Held-out sequences of the model's length.</param>
    /// <param name="tokenizer">The tokenizer of the sequences.</param>
    /// <param name="order">The order in which the training sequences are seen.</param>
    /// <param name="masker">Chooses the tokens to predict.</param>
    /// <param name="fused">Kernels for the model, disposed with the task; null: the model computes itself.</param>
    public MaskedLanguageTask(
        MaskedLanguageModel model, SequenceSet training, SequenceSet heldOut, ITokenizer tokenizer, SampleOrder order, Masker masker, FusedLanguageModel? fused = null)
    {
        _model = model;
        _fused = fused;
        _training = training;
        _heldOut = heldOut;
        _masker = masker;
        var padding = tokenizer.Special.Pad ?? 0; // what stands under padding changes nothing
        var device = model.Encoder.TokenEmbeddings.device;
        _heldOutBatches = new MaskedBatchReader(heldOut, order: null, masker.MaskForEvaluation, padding, device);
        var trainingReader = new MaskedBatchReader(training, order, masker.Mask, padding, device);
        _trainingBatches = new Prefetcher<MaskedBatch>((first, count) => Placed(trainingReader.Read(first, count), device));
    }

    /// <inheritdoc/>
    public nn.Module Model => _model;

    /// <inheritdoc/>
    public long TrainingSequences => _training.Count;

    /// <inheritdoc/>
    public string NothingPredicted => "no token of the batch was masked";

    /// <inheritdoc/>
    public long HeldOutSequences => _heldOut.Count;

    /// <summary>The head, then the layers from the last to the first; what they share, and the embeddings, which the head shares, are in no group.</summary>
    public IReadOnlyList<IReadOnlyList<string>> GradientOrder
    {
        get
        {
            var prefixes = Enumerable.Range(0, _model.Config.Layers).Reverse().Select(layer => $"encoder.layers.{layer}.").Prepend("head_");
            var names = _model.named_parameters().Where(p => p.parameter.requires_grad).Select(p => p.name).ToArray();
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
    public void OnGradientsReady(Action<IReadOnlyList<Tensor>> ready)
    {
        if (_fused is not null)
        {
            _fused.GradientsReady = ready;
        }
    }

    /// <inheritdoc/>
    public IDisposable? HoldParameters() => _fused?.HoldWeights();

    /// <inheritdoc/>
    public void OnBatchMade(Action made) => _batchMade = made;

    /// <summary>The tokens that <see cref="HeldOutLoss"/> asks for, so that other predictors can be asked for the same.</summary>
    public IEnumerable<int> HeldOutTargets()
    {
        var n = _heldOut.SequenceLength;
        var (tokens, inputs, positions, targets) = (new int[n], new int[n], new int[n], new int[n]);
        for (var sequence = 0L; sequence < HeldOutSequences; sequence++)
        {
            var length = _heldOut.Read(sequence, tokens);
            var chosen = _masker.MaskForEvaluation(sequence, tokens, length, inputs, positions, targets);
            for (var i = 0; i < chosen; i++)
            {
                yield return targets[i];
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _trainingBatches.Dispose();
        _fused?.Dispose();
        _model.Dispose();
    }

    // A transfer to a GPU waits for it: better on the thread that reads than on the one that trains.
    private static MaskedBatch Placed(MaskedBatch batch, Device device)
    {
        if (device.type != TorchSharp.DeviceType.CPU)
        {
            batch.Place();
        }

        return batch;
    }

    private MicroBatchLoss Loss(MaskedBatch batch, Action batchMade)
    {
        if (batch.Predicted == 0)
        {
            return new MicroBatchLoss(null, 0, batch.Tokens);
        }

        batch.Place();
        batchMade();
        return new MicroBatchLoss(SumOfLosses(batch), batch.Predicted, batch.Tokens);
    }

    private Tensor SumOfLosses(MaskedBatch batch)
    {
        if (_fused is not null)
        {
            return _fused.LossAt(batch.Ids, batch.AttentionMask, batch.Positions, batch.Targets);
        }

        var logits = _model.LogitsAt(batch.Ids, batch.AttentionMask, batch.Positions); // [predicted, vocabulary]
        return nn.functional.cross_entropy(logits, batch.Targets, reduction: nn.Reduction.Sum);
    }
}
