using Linformer.Model.Inspection;
using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>
/// Multi-head attention. Linear (Wang et al. 2020, equation 7):
/// headᵢ = softmax(QWᵢ(EᵢKWᵢ)ᵀ/√d)·FᵢVWᵢ, with E and F of [k, n]; or full (equation 2), without E and F. With
/// <see cref="CausalKind.MaskMap"/>, the upper right of the map is masked: of the n·k map, which does not keep what is later from leaking.
/// </summary>
public sealed class Attention : nn.Module<Tensor, Tensor?, Tensor>
{
    // Finite, so that a sequence of nothing but padding gives a uniform softmax rather than NaN.
    private const double Hidden = -1e30;

    private readonly Dense _query;
    private readonly Dense _key;
    private readonly Dense? _value;
    private readonly Dense _output;
    private readonly SequenceProjection? _projection;
    private readonly LinformerConfig _config;
    private readonly Recomputed _recomputed = new();

    /// <summary>Makes the layer; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">Shapes and dropout.</param>
    /// <param name="projection">E and F, owned by whoever shares them; null for full attention.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    public Attention(LinformerConfig config, SequenceProjection? projection, Placement placement)
        : base(nameof(Attention))
    {
        (_config, _projection) = (config, projection);
        _query = new Dense(config.Hidden, config.QueryWidth, placement, config.AttentionBias);
        _key = new Dense(config.Hidden, config.KeyValueWidth, placement, config.AttentionBias);
        _output = new Dense(config.QueryWidth, config.Hidden, placement);
        register_module("query", _query);
        register_module("key", _key);
        if (!config.ShareKeyValue)
        {
            _value = new Dense(config.Hidden, config.KeyValueWidth, placement, config.AttentionBias);
            register_module("value", _value);
        }

        register_module("output", _output);
    }

    /// <summary>Is shown what every forward pass computes; null for nobody.</summary>
    internal Action<AttentionTrace>? Watcher { get; set; }

    /// <summary>Attends.</summary>
    /// <param name="x">[batch, length, hidden].</param>
    /// <param name="mask">[batch, length, 1] of x's type, 1 for a token and 0 for padding; null when nothing is padded.</param>
    /// <returns>[batch, length, hidden].</returns>
    public override Tensor forward(Tensor x, Tensor? mask) => Over(x, x, mask);

    /// <summary>Attends over another sequence.</summary>
    /// <param name="x">What has the queries, [batch, length, hidden].</param>
    /// <param name="source">What has the keys and values, [batch, source, hidden].</param>
    /// <param name="mask">[batch, source, 1] of x's type, 1 for a token of the source and 0 for padding; null when nothing is padded.</param>
    /// <returns>[batch, length, hidden].</returns>
    internal Tensor Over(Tensor x, Tensor source, Tensor? mask)
    {
        var query = _query.call(x).SplitHeads(_config.Heads); // [batch, heads, length, d]
        var keys = _key.call(source);                         // [batch, source, key/value heads · d]
        var values = _value?.call(source) ?? keys;
        var seen = _projection?.Project(keys, values, mask) ?? Unprojected(keys, values, mask);
        seen = seen with { Keys = DropProjected(seen.Keys), Values = DropProjected(seen.Values) };
        Watcher?.Invoke(new AttentionTrace(query, keys.SplitHeads(_config.KeyValueHeads), Weights(query, seen)));
        var mixed = _config.Checkpointing == Checkpointing.Head ? ByHead(query, seen) : Mix(query, seen);
        return _output.call(mixed.MergeHeads());
    }

    private ProjectedSequence Unprojected(Tensor keys, Tensor values, Tensor? mask) => new(
        keys.SplitHeads(_config.KeyValueHeads),
        values.SplitHeads(_config.KeyValueHeads),
        mask?.eq(0).view(mask.shape[0], 1, 1, mask.shape[1]));

    // [batch, heads, length, d]. Keys of one head stand for those of all.
    private Tensor Mix(Tensor query, ProjectedSequence seen) => Weights(query, seen).matmul(seen.Values);

    private Tensor ByHead(Tensor query, ProjectedSequence seen)
    {
        var mixed = Enumerable.Range(0, _config.Heads).Select(head =>
        {
            var own = _config.KeyValueHeads == 1 ? 0 : head;
            return _recomputed.Run(
                inputs => Mix(inputs[0], new(inputs[1], inputs[2], seen.Empty)),
                query.narrow(1, head, 1), seen.Keys.narrow(1, own, 1), seen.Values.narrow(1, own, 1));
        });
        return cat(mixed.ToList(), dim: 1);
    }

    private Tensor DropProjected(Tensor x) => _config.ProjectionDropout > 0 ? nn.functional.dropout(x, _config.ProjectionDropout, training) : x;

    private Tensor Weights(Tensor query, ProjectedSequence seen)
    {
        var scores = (query * (1 / Math.Sqrt(query.shape[3]))).matmul(seen.Keys.transpose(-2, -1)); // [batch, heads, length, k or length]
        scores = seen.Empty is null ? scores : scores.masked_fill(seen.Empty, Hidden);
        scores = _config.Causal == CausalKind.MaskMap ? scores.masked_fill(UpperRight(scores), double.NegativeInfinity) : scores;
        // The sums of softmax are not for bfloat16.
        var weights = scores.dtype == ScalarType.BFloat16
            ? scores.to_type(ScalarType.Float32).softmax(-1).to_type(ScalarType.BFloat16)
            : scores.softmax(-1);
        return nn.functional.dropout(weights, _config.EffectiveAttentionDropout, training);
    }

    // Row i keeps columns 0 to i.
    private static Tensor UpperRight(Tensor scores) =>
        arange(scores.shape[3], device: scores.device).gt(arange(scores.shape[2], device: scores.device).unsqueeze(-1));
}
