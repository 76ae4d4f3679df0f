using Linformer.Model.Layers;
using static TorchSharp.torch;

namespace Linformer.Model.Causal;

/// <summary>
/// Multi-head self-attention in which no token sees what comes after it: <see cref="CausalKind.Segments"/> in linear time, or
/// <see cref="AttentionKind.Full"/>. Under <see cref="CausalKind.MaskMap"/> it does see it.
/// </summary>
public sealed class CausalAttention : nn.Module<Tensor, CausalMask, Tensor>
{
    private readonly Dense _query;
    private readonly Dense _key;
    private readonly Dense _value;
    private readonly Dense _output;
    private readonly ICausalMixing _mixing;
    private readonly long _heads;
    private readonly double _dropout;

    /// <summary>Makes the layer; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">Shapes and dropout.</param>
    /// <param name="projection">
    /// Owned by whoever shares it: [kₛ, s] under <see cref="CausalKind.Segments"/>, [k, n] under <see cref="CausalKind.MaskMap"/>; null for full attention.
    /// </param>
    /// <param name="placement">Element type and device of the parameters.</param>
    /// <exception cref="ArgumentException">The attention is linear and <see cref="LinformerConfig.Causal"/> says not how.</exception>
    public CausalAttention(LinformerConfig config, BlockProjection? projection, Placement placement)
        : base(nameof(CausalAttention))
    {
        _heads = config.Heads;
        _dropout = config.EffectiveAttentionDropout;
        _mixing = projection is null ? new FullMixing() : Linear(config, projection);
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
    /// <param name="mask">What must not be seen.</param>
    /// <returns>[batch, length, hidden].</returns>
    public override Tensor forward(Tensor x, CausalMask mask) => Attend(x, mask, cache: null);

    /// <summary>Attends, from the first token of a sequence, and keeps what the tokens after it will need.</summary>
    /// <param name="x">[batch, length, hidden].</param>
    /// <param name="mask">What must not be seen; without padding.</param>
    /// <param name="cache">An empty cache.</param>
    /// <returns>[batch, length, hidden].</returns>
    internal Tensor Attend(Tensor x, CausalMask mask, IAttentionCache? cache)
    {
        var query = Scaled(_query.call(x)).SplitHeads(_heads); // [batch, heads, length, d]
        var keys = Kept(_key.call(x), mask).SplitHeads(_heads);
        var values = Kept(_value.call(x), mask).SplitHeads(_heads);
        cache?.Append(keys, values);
        return _output.call(_mixing.Mix(query, keys, values, mask, Weights).MergeHeads());
    }

    /// <summary>Attends for one further token.</summary>
    /// <param name="x">[batch, 1, hidden].</param>
    /// <param name="cache">What is kept of the tokens before it; this one is taken in.</param>
    /// <returns>[batch, 1, hidden].</returns>
    internal Tensor Step(Tensor x, IAttentionCache cache)
    {
        cache.Append(_key.call(x).SplitHeads(_heads), _value.call(x).SplitHeads(_heads));
        var (keys, values) = cache.Visible();
        var scores = Scaled(_query.call(x)).SplitHeads(_heads).matmul(keys.transpose(-2, -1)); // [batch, heads, 1, columns]
        return _output.call(Weights(scores).matmul(values).MergeHeads());
    }

    /// <summary>An empty cache; null if this attention cannot go token by token.</summary>
    internal IAttentionCache? NewCache() => _mixing.NewCache();

    private static ICausalMixing Linear(LinformerConfig config, BlockProjection projection) => config.Causal switch
    {
        CausalKind.Segments => new SegmentMixing(SegmentPlan.Of(config), projection),
        CausalKind.MaskMap => new MaskMapMixing(projection),
        _ => throw new ArgumentException($"{nameof(config.Causal)} is {config.Causal}; linear attention of a decoder needs segments or mask-map."),
    };

    // Zeroed here, padding adds nothing to any summary.
    private static Tensor Kept(Tensor x, CausalMask mask) => mask.Keep is { } keep ? x * keep.to_type(x.dtype) : x;

    private Tensor Scaled(Tensor query) => query * (1 / Math.Sqrt(query.shape[2] / _heads));

    private Tensor Weights(Tensor scores)
    {
        // The sums of softmax are not for bfloat16.
        var weights = scores.dtype == ScalarType.BFloat16
            ? scores.to_type(ScalarType.Float32).softmax(-1).to_type(ScalarType.BFloat16)
            : scores.softmax(-1);
        return nn.functional.dropout(weights, _dropout, training);
    }
}
