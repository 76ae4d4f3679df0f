using Linformer.Data;
using Linformer.Data.Labelled;
using Linformer.Data.Tokenizers;
using Linformer.Model.Decoding;
using Linformer.Model.Generation;
using Linformer.Training.Measures;
using static TorchSharp.torch;

namespace Linformer.Training.Tasks;

/// <summary>
/// A text from a text. Training predicts each token of the target, and its end, from the source and from the true tokens before it (teacher
/// forcing). Held-out targets are generated, too, the likeliest token by the likeliest, and measured by BLEU and by how many are exact.
/// </summary>
public sealed class SequenceToSequenceTask : ITrainingTask
{
    /// <summary>The measure that is the share of targets that are generated exactly.</summary>
    public const string ExactMatch = "exact-match";

    private const int Exact = Bleu.Counts;
    private const int Examples = Exact + 1;

    private readonly SequenceToSequenceModel _model;
    private readonly PairDataset _data;
    private readonly ITokenizer _tokenizer;
    private readonly Device _device;
    private readonly Prefetcher<PairBatch> _trainingBatches;
    private Action _batchMade = () => { };

    /// <summary>Brings model and data together. The model is disposed with the task, the data are not.</summary>
    /// <param name="model">The model.</param>
    /// <param name="data">The pairs.</param>
    /// <param name="tokenizer">Their tokenizer.</param>
    /// <param name="order">The order in which the training pairs are seen.</param>
    /// <exception cref="BadDataException">A pair is longer than the model reads.</exception>
    public SequenceToSequenceTask(SequenceToSequenceModel model, PairDataset data, ITokenizer tokenizer, SampleOrder order)
    {
        (_model, _data, _tokenizer, _device) = (model, data, tokenizer, model.TokenEmbeddings.device);
        CheckLengths(data.Training, "training");
        CheckLengths(data.HeldOut, "held-out");
        _trainingBatches = new Prefetcher<PairBatch>((first, count) => Batch(data.Training, first, count, order));
    }

    /// <inheritdoc/>
    public nn.Module Model => _model;

    /// <inheritdoc/>
    public long TrainingSequences => _data.Training.Count;

    /// <inheritdoc/>
    public long HeldOutSequences => _data.HeldOut.Count;

    /// <inheritdoc/>
    public int StatisticsLength => Examples + 1;

    /// <summary>The layers from the decoder's last to the encoder's first; what they share, and the embeddings, are in no group.</summary>
    public IReadOnlyList<IReadOnlyList<string>> GradientOrder
    {
        get
        {
            var names = _model.named_parameters().Select(p => p.name).ToArray();
            var config = _model.Config;
            string[] prefixes =
            [
                "decoder.norm.", .. Layers("decoder", config.DecoderLayers ?? config.Layers),
                "encoder.norm.", .. Layers("encoder", config.Layers),
            ];
            return [.. prefixes.Select(prefix => names.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).ToArray())];

            static IEnumerable<string> Layers(string stack, int count) => Enumerable.Range(0, count).Reverse().Select(layer => $"{stack}.layers.{layer}.");
        }
    }

    /// <inheritdoc/>
    public void Upcoming(long firstSample, int count) => _trainingBatches.Announce(firstSample, count);

    /// <inheritdoc/>
    public MicroBatchLoss TrainingLoss(long firstSample, int count)
    {
        using var batch = _trainingBatches.Take(firstSample, count);
        _batchMade();
        return Loss(batch);
    }

    /// <inheritdoc/>
    public MicroBatchLoss HeldOutLoss(long firstSequence, int count)
    {
        using var batch = Batch(_data.HeldOut, firstSequence, count, order: null);
        return Loss(batch);
    }

    /// <inheritdoc/>
    public MicroBatchLoss HeldOutLoss(long firstSequence, int count, Span<double> statistics)
    {
        using var batch = Batch(_data.HeldOut, firstSequence, count, order: null);
        var generated = Generate(batch);
        for (var i = 0; i < generated.Count; i++)
        {
            var target = batch.Pairs[i].Target;
            Bleu.Add(Words(generated[i].Tokens), [Words(target)], statistics[..Bleu.Counts]);
            statistics[Exact] += generated[i].End == GenerationEnd.EndToken && generated[i].Tokens.SequenceEqual(target) ? 1 : 0;
            statistics[Examples]++;
        }

        return Loss(batch);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Measures(ReadOnlySpan<double> statistics) => new SortedDictionary<string, double>(StringComparer.Ordinal)
    {
        [MeasureNames.Bleu] = Bleu.Of(statistics[..Bleu.Counts]),
        [ExactMatch] = statistics[Exact] / statistics[Examples],
    };

    /// <inheritdoc/>
    public void OnBatchMade(Action made) => _batchMade = made;

    /// <summary>The tokens that <see cref="HeldOutLoss(long, int)"/> asks for, the ends of targets left out.</summary>
    public IEnumerable<int> HeldOutTargets()
    {
        for (var i = 0L; i < HeldOutSequences; i++)
        {
            foreach (var token in _data.HeldOut.Read(i).Target)
            {
                yield return token;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _trainingBatches.Dispose();
        _model.Dispose();
    }

    private PairBatch Batch(PairSet pairs, long first, int count, SampleOrder? order) => new(
        [.. Enumerable.Range(0, count).Select(i => pairs.Read(order?.SequenceOf(first + i) ?? first + i))], _data.Mark, _device);

    private MicroBatchLoss Loss(PairBatch batch)
    {
        var ((sources, sourceMask), (targets, positions, expected)) = (batch.Sources(), batch.Targets());
        var logits = _model.LogitsAt(sources, sourceMask, targets, targetMask: null, positions); // [predicted, vocabulary]

        // The graph holds what it needs of the batch's tensors.
        return new MicroBatchLoss(nn.functional.cross_entropy(logits, expected, reduction: nn.Reduction.Sum), batch.Predicted, batch.Tokens);
    }

    private IReadOnlyList<GeneratedSequence> Generate(PairBatch batch)
    {
        // Dropout draws from torch's generator, which training needs as it is.
        var wasTraining = _model.training;
        _model.eval();
        try
        {
            using var scope = NewDisposeScope();
            var (ids, mask) = batch.Sources();
            using var read = _model.Read(ids, mask);
            IReadOnlyList<int>[] begin = [.. batch.Pairs.Select(_ => new[] { _data.Mark })];
            return SequenceGenerator.Generate(read, begin, new GenerationOptions { EndToken = _data.Mark, MaximumTokens = _model.Config.SequenceLength });
        }
        finally
        {
            _model.train(wasTraining);
        }
    }

    private string[] Words(IReadOnlyList<int> tokens) => BleuWords.Of(_tokenizer.DecodeText([.. tokens]));

    private void CheckLengths(PairSet pairs, string name)
    {
        var most = _model.Config.SequenceLength - 1;
        if (pairs.FirstLongerThan(most) is var (index, tokens))
        {
            throw new BadDataException($"Pair {index} of the {name} pairs has a text of {tokens} tokens; with model.sequenceLength {_model.Config.SequenceLength} source and target have at most {most} each. Raise it, or leave such pairs out.");
        }
    }
}
