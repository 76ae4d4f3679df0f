using System.Runtime.InteropServices;
using Linformer.Data;
using Linformer.Data.Labelled;
using Linformer.Data.Tokenizers;
using Linformer.Model.Classification;
using Linformer.Model.Kernels;
using Linformer.Training.Measures;
using TorchSharp;
using static TorchSharp.torch;

namespace Linformer.Training.Tasks;

/// <summary>
/// Fine-tuning on labelled examples: cross-entropy over the classes, or the squared error of a number. What the loss is normalised by, and
/// the sequences of a step, are examples.
/// </summary>
public sealed class ClassificationTask : ITrainingTask
{
    // Beyond it a matrix of all pairs of classes is too large to add up at each evaluation; then only hits are counted.
    private const int MostClassesOfMatrix = 512;

    private readonly ClassificationModel _model;
    private readonly FusedEncoder? _fused;
    private readonly ExampleSet _training;
    private readonly ExampleSet _heldOut;
    private readonly ExampleEncoder _encoder;
    private readonly SampleOrder _order;
    private readonly int _padding;
    private readonly Device _device;
    private readonly Prefetcher<ClassificationBatch> _trainingBatches;
    private Action _batchMade = () => { };

    /// <summary>Brings model and data together. The model is disposed with the task, the data are not.</summary>
    /// <param name="model">The model, with its first values.</param>
    /// <param name="training">Examples to train on.</param>
    /// <param name="heldOut">Held-out examples.</param>
    /// <param name="special">The special tokens of their tokenizer.</param>
    /// <param name="encoder">Makes rows of examples.</param>
    /// <param name="order">The order in which the training examples are seen.</param>
    /// <param name="fused">Kernels for the model's encoder, disposed with the task; null: it computes itself.</param>
    public ClassificationTask(
        ClassificationModel model, ExampleSet training, ExampleSet heldOut, SpecialTokens special, ExampleEncoder encoder, SampleOrder order, FusedEncoder? fused = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(special);
        (_model, _fused, _training, _heldOut, _encoder, _order) = (model, fused, training, heldOut, encoder, order);
        _padding = special.Pad ?? 0; // what stands under padding changes nothing
        _device = model.Encoder.TokenEmbeddings.device;
        _trainingBatches = new Prefetcher<ClassificationBatch>((first, count) => Placed(Batch(_training, first, count, _order)));
    }

    /// <inheritdoc/>
    public nn.Module Model => _model;

    /// <inheritdoc/>
    public long TrainingSequences => _training.Count;

    /// <inheritdoc/>
    public long HeldOutSequences => _heldOut.Count;

    /// <summary>Of classes the confusion matrix, or where they are too many, the hits and the examples; of numbers what was predicted of each held-out example.</summary>
    public int StatisticsLength => _model.Head.IsRegression ? checked((int)_heldOut.Count) : HasMatrix ? Classes * Classes : 2;

    private int Classes => _model.Head.Outputs;

    private bool HasMatrix => Classes <= MostClassesOfMatrix;

    /// <inheritdoc/>
    public void Upcoming(long firstSample, int count) => _trainingBatches.Announce(firstSample, count);

    /// <summary>The layers from the last to the first; what they share, the embeddings and the head are in no group.</summary>
    public IReadOnlyList<IReadOnlyList<string>> GradientOrder
    {
        get
        {
            var names = _model.named_parameters().Where(p => p.parameter.requires_grad).Select(p => p.name).ToArray();
            var prefixes = Enumerable.Range(0, _model.Config.Layers).Reverse().Select(layer => $"encoder.layers.{layer}.");
            return [.. prefixes.Select(prefix => names.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).ToArray())];
        }
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

    /// <inheritdoc/>
    public MicroBatchLoss TrainingLoss(long firstSample, int count)
    {
        using var batch = _trainingBatches.Take(firstSample, count);
        batch.Place();
        _batchMade();
        return Loss(batch, Outputs(batch));
    }

    /// <inheritdoc/>
    public MicroBatchLoss HeldOutLoss(long firstSequence, int count) => HeldOutLoss(firstSequence, count, []);

    /// <inheritdoc/>
    public MicroBatchLoss HeldOutLoss(long firstSequence, int count, Span<double> statistics)
    {
        using var batch = Batch(_heldOut, firstSequence, count, order: null);
        var outputs = Outputs(batch);
        if (!statistics.IsEmpty)
        {
            Count(batch, outputs, firstSequence, statistics);
        }

        return Loss(batch, outputs);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Measures(ReadOnlySpan<double> statistics)
    {
        if (_model.Head.IsRegression)
        {
            var truth = new double[_heldOut.Count];
            for (var i = 0; i < truth.Length; i++)
            {
                truth[i] = _heldOut.Target(i);
            }

            return MeasureNames.Of(statistics, truth);
        }

        return HasMatrix
            ? MeasureNames.Of(new ConfusionMatrix(Classes, statistics))
            : new Dictionary<string, double>(StringComparer.Ordinal) { [MeasureNames.Accuracy] = statistics[0] / statistics[1] };
    }

    /// <summary>Why an example of a set cannot be read by the model; null if all can.</summary>
    /// <param name="examples">The examples.</param>
    /// <param name="encoder">Makes rows of them.</param>
    public static (long Example, string Reason)? WhyNot(ExampleSet examples, ExampleEncoder encoder)
    {
        ArgumentNullException.ThrowIfNull(examples);
        ArgumentNullException.ThrowIfNull(encoder);
        for (var i = 0L; i < examples.Count; i++)
        {
            // Whether it is a pair takes a read, and no pair is allowed more tokens than a text.
            if (encoder.WhyNot(examples.Tokens(i), isPair: true) is not null
                && examples.Read(i) is var example
                && encoder.WhyNot(example.Text.Length + (example.TextPair?.Length ?? 0), example.TextPair is not null) is { } reason)
            {
                return (i, reason);
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _trainingBatches.Dispose();
        _fused?.Dispose();
        _model.Dispose();
    }

    private ClassificationBatch Batch(ExampleSet examples, long first, int count, SampleOrder? order)
    {
        var rows = new List<(int Example, int[] Tokens)>(count);
        var targets = new double[count];
        for (var i = 0; i < count; i++)
        {
            var index = order?.SequenceOf(first + i) ?? first + i;
            targets[i] = examples.Target(index);
            foreach (var row in _encoder.Encode(examples.Read(index)))
            {
                rows.Add((i, row));
            }
        }

        return new ClassificationBatch(rows, targets, _padding, _device);
    }

    // A transfer to a GPU waits for it: better on the thread that reads than on the one that trains.
    private ClassificationBatch Placed(ClassificationBatch batch)
    {
        if (_device.type != DeviceType.CPU)
        {
            batch.Place();
        }

        return batch;
    }

    // [examples, outputs]: the mean over the windows of each example.
    private Tensor Outputs(ClassificationBatch batch)
    {
        var rows = _fused is null
            ? _model.call(batch.Ids, batch.AttentionMask)
            : _model.Scores(_fused.Pooled(batch.Ids, batch.AttentionMask, _model.Head.Pooling)); // [rows, outputs]
        return batch.Shares is { } shares ? shares.to_type(rows.dtype).matmul(rows) : rows;
    }

    private MicroBatchLoss Loss(ClassificationBatch batch, Tensor outputs)
    {
        if (_model.Head.IsRegression)
        {
            var numbers = tensor(Array.ConvertAll(batch.Targets.ToArray(), target => (float)target), device: _device);
            var error = outputs.to_type(ScalarType.Float32).view(-1) - numbers;
            return new MicroBatchLoss((error * error).sum(), batch.Examples, batch.Tokens);
        }

        var classes = tensor(Array.ConvertAll(batch.Targets.ToArray(), target => (long)target), device: _device);
        return new MicroBatchLoss(
            nn.functional.cross_entropy(outputs.to_type(ScalarType.Float32), classes, reduction: nn.Reduction.Sum), batch.Examples, batch.Tokens);
    }

    private void Count(ClassificationBatch batch, Tensor outputs, long first, Span<double> statistics)
    {
        using var onCpu = outputs.detach().to_type(ScalarType.Float32).cpu().contiguous();
        var values = MemoryMarshal.Cast<byte, float>(onCpu.bytes);
        for (var i = 0; i < batch.Examples; i++)
        {
            if (_model.Head.IsRegression)
            {
                statistics[(int)first + i] = values[i];
                continue;
            }

            var truth = (int)batch.Targets[i];
            var told = ArgMax(values.Slice(i * Classes, Classes));
            if (HasMatrix)
            {
                statistics[(truth * Classes) + told]++;
            }
            else
            {
                statistics[0] += truth == told ? 1 : 0;
                statistics[1]++;
            }
        }
    }

    // The first of equals.
    private static int ArgMax(ReadOnlySpan<float> scores)
    {
        var best = 0;
        for (var i = 1; i < scores.Length; i++)
        {
            if (scores[i] > scores[best])
            {
                best = i;
            }
        }

        return best;
    }
}
