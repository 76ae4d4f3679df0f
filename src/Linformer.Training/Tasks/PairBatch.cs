using static TorchSharp.torch;

namespace Linformer.Training.Tasks;

/// <summary>A micro-batch of pairs: sources, what the decoder reads, and what it has to predict. Rows are padded to the longest of them.</summary>
public sealed class PairBatch : IDisposable
{
    private readonly IReadOnlyList<(int[] Source, int[] Target)> _pairs;
    private readonly int _mark;
    private readonly Device _device;
    private readonly List<Tensor> _tensors = [];

    internal PairBatch(IReadOnlyList<(int[] Source, int[] Target)> pairs, int mark, Device device)
    {
        (_pairs, _mark, _device) = (pairs, mark, device);
        Predicted = pairs.Sum(pair => (long)pair.Target.Length + 1);
        Tokens = Predicted + pairs.Sum(pair => (long)pair.Source.Length + 1);
    }

    /// <summary>Tokens that have to be predicted: those of the targets, and their ends.</summary>
    public long Predicted { get; }

    /// <summary>Tokens that go through the model, padding left out.</summary>
    public long Tokens { get; }

    /// <summary>The pairs.</summary>
    public IReadOnlyList<(int[] Source, int[] Target)> Pairs => _pairs;

    /// <summary>The sources, each with the mark behind it, [batch, source] int64, and where they are tokens; the mask is null when nothing is padded.</summary>
    public (Tensor Ids, Tensor? Mask) Sources()
    {
        var length = _pairs.Max(pair => pair.Source.Length) + 1;
        var (ids, mask) = (new long[_pairs.Count * length], new long[_pairs.Count * length]);
        var padded = false;
        for (var row = 0; row < _pairs.Count; row++)
        {
            var source = _pairs[row].Source;
            Array.Fill(ids, _mark, row * length, length);
            Array.Fill(mask, 1, row * length, source.Length + 1);
            Widen(source, ids, row * length);
            padded |= source.Length + 1 < length;
        }

        return (Made(ids, length), padded ? Made(mask, length) : null);
    }

    /// <summary>
    /// What the decoder reads, the mark and the target, [batch, target] int64; where in it, seen as one row, something is predicted, and what:
    /// the target and the mark. Padding stands behind all tokens, so no token sees it.
    /// </summary>
    public (Tensor Ids, Tensor Positions, Tensor Expected) Targets()
    {
        var length = _pairs.Max(pair => pair.Target.Length) + 1;
        var (ids, positions, expected) = (new long[_pairs.Count * length], new long[Predicted], new long[Predicted]);
        Array.Fill(ids, _mark);
        var at = 0;
        for (var row = 0; row < _pairs.Count; row++)
        {
            var target = _pairs[row].Target;
            Widen(target, ids, (row * length) + 1);
            for (var i = 0; i <= target.Length; i++)
            {
                (positions[at], expected[at++]) = ((row * length) + i, i < target.Length ? target[i] : _mark);
            }
        }

        return (Made(ids, length), Made(positions), Made(expected));
    }

    /// <inheritdoc/>
    public void Dispose() => _tensors.ForEach(tensor => tensor.Dispose());

    private static void Widen(int[] tokens, long[] ids, int at)
    {
        for (var i = 0; i < tokens.Length; i++)
        {
            ids[at + i] = tokens[i];
        }
    }

    private Tensor Made(long[] values, int length) => Made(values).view(-1, length);

    private Tensor Made(long[] values)
    {
        var made = tensor(values, device: _device);
        _tensors.Add(made);
        return made;
    }
}
