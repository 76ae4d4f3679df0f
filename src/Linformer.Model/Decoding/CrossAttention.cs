using Linformer.Model.Causal;
using Linformer.Model.Layers;
using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

/// <summary>
/// Attention of a decoder over what an encoder gives, projected from its length n to a length k of its own (Wang et al. 2020, equation 7,
/// with queries of the decoder); or over all n.
/// </summary>
public sealed class CrossAttention : nn.Module<Tensor, CrossMemory, Tensor>
{
    // Finite, so that a source of nothing but padding gives a uniform softmax rather than NaN.
    private const double Hidden = -1e30;

    private readonly Dense _query;
    private readonly Dense _key;
    private readonly Dense _value;
    private readonly Dense _output;
    private readonly BlockProjection? _projection;
    private readonly long _heads;
    private readonly double _dropout;

    /// <summary>Makes the layer; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">Shapes and dropout.</param>
    /// <param name="projection">[k, n], owned by whoever shares it; null for attention over all n.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    public CrossAttention(LinformerConfig config, BlockProjection? projection, Placement placement)
        : base(nameof(CrossAttention))
    {
        _heads = config.Heads;
        _dropout = config.EffectiveAttentionDropout;
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

    /// <summary>The keys and values of a source: the same for all tokens of the target.</summary>
    /// <param name="source">What the encoder gives, [batch, length, hidden].</param>
    /// <param name="mask">[batch, length], nonzero for a token and 0 for padding; null when nothing is padded.</param>
    public CrossMemory Remember(Tensor source, Tensor? mask)
    {
        var keys = _key.call(source);     // [batch, length, hidden]
        var values = _value.call(source); // [batch, length, hidden]
        if (_projection is null)
        {
            return new CrossMemory(keys.SplitHeads(_heads), values.SplitHeads(_heads), mask?.eq(0).view(mask.shape[0], 1, 1, mask.shape[1]));
        }

        if (mask is not null)
        {
            // Zeroed here, padding adds nothing to any of the k sums.
            var keep = mask.ne(0).to_type(keys.dtype).unsqueeze(-1);
            (keys, values) = (keys * keep, values * keep);
        }

        return new CrossMemory(_projection.ProjectKeys(keys, _heads), _projection.ProjectValues(values, _heads), Padding: null);
    }

    /// <summary>Attends.</summary>
    /// <param name="x">Hidden states of the target, [batch, target, hidden].</param>
    /// <param name="memory">The source's keys and values.</param>
    /// <returns>[batch, target, hidden].</returns>
    public override Tensor forward(Tensor x, CrossMemory memory)
    {
        var query = (_query.call(x) * (1 / Math.Sqrt(x.shape[2] / _heads))).SplitHeads(_heads); // [batch, heads, target, d]
        var scores = query.matmul(memory.Keys.transpose(-2, -1));                               // [batch, heads, target, k]
        scores = memory.Padding is null ? scores : scores.masked_fill(memory.Padding, Hidden);
        var weights = scores.dtype == ScalarType.BFloat16
            ? scores.to_type(ScalarType.Float32).softmax(-1).to_type(ScalarType.BFloat16)
            : scores.softmax(-1);
        return _output.call(nn.functional.dropout(weights, _dropout, training).matmul(memory.Values).MergeHeads());
    }
}

/// <summary>Keys and values of a source for one layer of a decoder.</summary>
/// <param name="Keys">[batch, heads, k, d].</param>
/// <param name="Values">[batch, heads, k, d].</param>
/// <param name="Padding">[batch, 1, 1, k], true where a column is padding; null where none is.</param>
public sealed record CrossMemory(Tensor Keys, Tensor Values, Tensor? Padding) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose()
    {
        Keys.Dispose();
        Values.Dispose();
        Padding?.Dispose();
    }

    internal CrossMemory Kept()
    {
        Keys.DetachFromDisposeScope();
        Values.DetachFromDisposeScope();
        Padding?.DetachFromDisposeScope();
        return this;
    }

    internal CrossMemory Reordered(Tensor rows)
    {
        var reordered = new CrossMemory(Keys.index_select(0, rows), Values.index_select(0, rows), Padding?.index_select(0, rows)).Kept();
        Dispose();
        return reordered;
    }
}
