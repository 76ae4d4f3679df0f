using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>
/// Multi-head attention. Linear (Wang et al. 2020, equation 7):
/// headᵢ = softmax(QWᵢ(EᵢKWᵢ)ᵀ/√d)·FᵢVWᵢ, with E and F of [k, n]; or full (equation 2), without E and F.
/// </summary>
public sealed class Attention : nn.Module<Tensor, Tensor?, Tensor>
{
    // Finite, so that a sequence of nothing but padding gives a uniform softmax rather than NaN.
    private const double Hidden = -1e30;

    private readonly Dense _query;
    private readonly Dense _key;
    private readonly Dense _value;
    private readonly Dense _output;
    private readonly SequenceProjection? _projection;
    private readonly long _heads;
    private readonly double _dropout;

    /// <summary>Makes the layer; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">Shapes and dropout.</param>
    /// <param name="projection">E and F, owned by whoever shares them; null for full attention.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    public Attention(LinformerConfig config, SequenceProjection? projection, Placement placement)
        : base(nameof(Attention))
    {
        _heads = config.Heads;
        _dropout = config.Dropout;
        _projection = projection;
        _query = new Dense(config.Hidden, config.Hidden, placement);
        _key = new Dense(config.Hidden, config.Hidden, placement);
        _value = new Dense(config.Hidden, config.Hidden, placement);
        _output = new Dense(config.Hidden, config.Hidden, placement);
        register_module("query", _query);
        register_module("key", _key);
        register_module("value", _value);
        register_module("output", _output);
    }

    /// <summary>Attends.</summary>
    /// <param name="x">[batch, length, hidden].</param>
    /// <param name="mask">[batch, length, 1] of x's type, 1 for a token and 0 for padding; null when nothing is padded.</param>
    /// <returns>[batch, length, hidden].</returns>
    public override Tensor forward(Tensor x, Tensor? mask)
    {
        var query = _query.call(x).SplitHeads(_heads); // [batch, heads, length, d]
        var mixed = _projection is null ? Full(query, x, mask) : Linear(_projection, query, x, mask);
        return _output.call(mixed.MergeHeads());
    }

    private Tensor Linear(SequenceProjection projection, Tensor query, Tensor x, Tensor? mask)
    {
        var keys = _key.call(x);     // [batch, length, hidden]
        var values = _value.call(x); // [batch, length, hidden]
        if (mask is not null)
        {
            // Zeroed here, padding adds nothing to any of the k sums: the softmax over them needs no mask.
            keys = keys * mask;
            values = values * mask;
        }

        keys = projection.ProjectKeys(keys, _heads);       // [batch, heads, k, d]
        values = projection.ProjectValues(values, _heads); // [batch, heads, k, d]
        return Weights(Scores(query, keys)).matmul(values);
    }

    private Tensor Full(Tensor query, Tensor x, Tensor? mask)
    {
        var keys = _key.call(x).SplitHeads(_heads);     // [batch, heads, length, d]
        var values = _value.call(x).SplitHeads(_heads); // [batch, heads, length, d]
        var scores = Scores(query, keys);               // [batch, heads, length, length]
        if (mask is not null)
        {
            scores = scores.masked_fill(mask.eq(0).view(x.shape[0], 1, 1, x.shape[1]), Hidden);
        }

        return Weights(scores).matmul(values);
    }

    private static Tensor Scores(Tensor query, Tensor keys) =>
        (query * (1 / Math.Sqrt(query.shape[3]))).matmul(keys.transpose(-2, -1)); // [batch, heads, length, k or length]

    private Tensor Weights(Tensor scores) =>
        nn.functional.dropout(scores.softmax(-1), _dropout, training);
}
