using Linformer.Data;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using static TorchSharp.torch;

namespace Linformer.Training.Tasks;

/// <summary>Masked language modelling (Devlin et al. 2018), with the masks drawn anew for every sample as in RoBERTa.</summary>
public sealed class MaskedLanguageTask : ITrainingTask
{
    private readonly MaskedLanguageModel _model;
    private readonly SequenceSet _training;
    private readonly SequenceSet _heldOut;
    private readonly SampleOrder _order;
    private readonly Masker _masker;
    private readonly int _padding;

    // One micro-batch is made at a time, on the thread that trains.
    private readonly int[] _tokens;
    private readonly int[] _inputs;
    private readonly int[] _positions;
    private readonly int[] _targets;

    /// <summary>Brings model and data together. The model is disposed with the task, the data are not.</summary>
    /// <param name="model">The model, with its first values.</param>
    /// <param name="training">Training sequences of the model's length.</param>
    /// <param name="heldOut">Held-out sequences of the model's length.</param>
    /// <param name="tokenizer">The tokenizer of the sequences.</param>
    /// <param name="order">The order in which the training sequences are seen.</param>
    /// <param name="masker">Chooses the tokens to predict.</param>
    public MaskedLanguageTask(MaskedLanguageModel model, SequenceSet training, SequenceSet heldOut, ByteBpeTokenizer tokenizer, SampleOrder order, Masker masker)
    {
        _model = model;
        _training = training;
        _heldOut = heldOut;
        _order = order;
        _masker = masker;
        _padding = tokenizer.Special.Pad ?? 0; // what stands under padding changes nothing
        var n = model.Config.SequenceLength;
        (_tokens, _inputs, _positions, _targets) = (new int[n], new int[n], new int[n], new int[n]);
    }

    private delegate int Mask(long number, ReadOnlySpan<int> tokens, int count, Span<int> inputs, Span<int> positions, Span<int> targets);

    /// <inheritdoc/>
    public nn.Module Model => _model;

    /// <inheritdoc/>
    public long TrainingSequences => _training.Count;

    /// <inheritdoc/>
    public long HeldOutSequences => _heldOut.Count;

    /// <inheritdoc/>
    public MicroBatchLoss TrainingLoss(long firstSample, int count) =>
        Loss(_training, firstSample, count, _order.SequenceOf, _masker.Mask);

    /// <inheritdoc/>
    public MicroBatchLoss HeldOutLoss(long firstSequence, int count) =>
        Loss(_heldOut, firstSequence, count, number => number, _masker.MaskForEvaluation);

    /// <summary>The tokens that <see cref="HeldOutLoss"/> asks for, so that other predictors can be asked for the same.</summary>
    public IEnumerable<int> HeldOutTargets()
    {
        for (var sequence = 0L; sequence < HeldOutSequences; sequence++)
        {
            var length = _heldOut.Read(sequence, _tokens);
            var chosen = _masker.MaskForEvaluation(sequence, _tokens, length, _inputs, _positions, _targets);
            for (var i = 0; i < chosen; i++)
            {
                yield return _targets[i];
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _model.Dispose();

    private MicroBatchLoss Loss(SequenceSet sequences, long first, int count, Func<long, long> sequenceOf, Mask mask)
    {
        var n = _model.Config.SequenceLength;
        var ids = new long[count * n];
        var keep = new long[count * n];
        var positions = new List<long>(count * n / 4);
        var targets = new List<long>(count * n / 4);
        var seen = 0L;
        for (var row = 0; row < count; row++)
        {
            var length = sequences.Read(sequenceOf(first + row), _tokens);
            var chosen = mask(first + row, _tokens, length, _inputs, _positions, _targets);
            for (var i = 0; i < n; i++)
            {
                ids[(row * n) + i] = i < length ? _inputs[i] : _padding;
                keep[(row * n) + i] = i < length ? 1 : 0;
            }

            for (var i = 0; i < chosen; i++)
            {
                positions.Add((row * (long)n) + _positions[i]);
                targets.Add(_targets[i]);
            }

            seen += length;
        }

        if (positions.Count == 0)
        {
            return new MicroBatchLoss(null, 0, seen);
        }

        var device = _model.Encoder.TokenEmbeddings.device;
        var parts = OnDevice(device, ids, [.. positions], [.. targets], seen < ids.Length ? keep : []);
        var attentionMask = seen < ids.Length ? parts[3].view(count, n) : null;              // [batch, n]
        var logits = _model.LogitsAt(parts[0].view(count, n), attentionMask, parts[1]);      // [predicted, vocabulary]
        var loss = nn.functional.cross_entropy(logits, parts[2], reduction: nn.Reduction.Sum);
        return new MicroBatchLoss(loss, positions.Count, seen);
    }

    // In one transfer: each waits until a GPU has done what it was given before.
    private static Tensor[] OnDevice(Device device, params long[][] parts)
    {
        var all = tensor(Concatenated(parts), device: device);
        var tensors = new Tensor[parts.Length];
        var start = 0L;
        for (var i = 0; i < parts.Length; i++)
        {
            tensors[i] = all.narrow(0, start, parts[i].Length);
            start += parts[i].Length;
        }

        return tensors;
    }

    private static long[] Concatenated(long[][] parts)
    {
        var all = new long[parts.Sum(part => part.Length)];
        var start = 0;
        foreach (var part in parts)
        {
            part.CopyTo(all, start);
            start += part.Length;
        }

        return all;
    }
}
