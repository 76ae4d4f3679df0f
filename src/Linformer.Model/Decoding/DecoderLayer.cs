using Linformer.Model.Causal;
using Linformer.Model.Layers;
using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

/// <summary>Causal self-attention, attention over a source if there is one, and a feed-forward layer, each with a residual and a layer norm.</summary>
public sealed class DecoderLayer : nn.Module<Tensor, CausalMask, CrossMemory?, Tensor>
{
    private readonly CausalAttention _attention;
    private readonly Layers.LayerNorm _attentionNorm;
    private readonly CrossAttention? _cross;
    private readonly Layers.LayerNorm? _crossNorm;
    private readonly DecoderFeedForward _feedForward;
    private readonly Layers.LayerNorm _feedForwardNorm;
    private readonly bool _normFirst;
    private readonly double _dropout;

    /// <summary>Makes the layer; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">Shapes, order of norms, dropout.</param>
    /// <param name="hasSource">Whether it attends over a source.</param>
    /// <param name="shared">The decoder's projections of self-attention and of the source, where all layers share them.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    public DecoderLayer(LinformerConfig config, bool hasSource, (BlockProjection? Self, BlockProjection? Source) shared, Placement placement)
        : base(nameof(DecoderLayer))
    {
        _normFirst = config.Normalization == Normalization.Pre;
        _dropout = config.Dropout;
        var self = shared.Self ?? CausalProjections.Make(config, CausalProjections.SizeOf(config), "", placement, register_parameter);
        _attention = new CausalAttention(config, self, placement);
        _attentionNorm = new Layers.LayerNorm(config.Hidden, config.NormEpsilon, placement);
        _feedForward = new DecoderFeedForward(config, placement);
        _feedForwardNorm = new Layers.LayerNorm(config.Hidden, config.NormEpsilon, placement);
        register_module("attention", _attention);
        register_module("attention_norm", _attentionNorm);
        if (hasSource)
        {
            var source = shared.Source ?? CausalProjections.Make(config, CausalProjections.CrossSizeOf(config), "cross_", placement, register_parameter);
            _cross = new CrossAttention(config, source, placement);
            _crossNorm = new Layers.LayerNorm(config.Hidden, config.NormEpsilon, placement);
            register_module("cross_attention", _cross);
            register_module("cross_attention_norm", _crossNorm);
        }

        register_module("feed_forward", _feedForward);
        register_module("feed_forward_norm", _feedForwardNorm);
    }

    /// <summary>Runs the layer over whole sequences.</summary>
    /// <param name="x">[batch, length, hidden].</param>
    /// <param name="mask">What must not be seen.</param>
    /// <param name="memory">The source, for a layer that attends over one.</param>
    /// <returns>[batch, length, hidden].</returns>
    public override Tensor forward(Tensor x, CausalMask mask, CrossMemory? memory) => Run(x, normed => _attention.call(normed, mask), memory);

    /// <summary>Runs the layer over whole sequences, and keeps what the tokens after them will need.</summary>
    internal Tensor Begin(Tensor x, CausalMask mask, CrossMemory? memory, IAttentionCache cache) =>
        Run(x, normed => _attention.Attend(normed, mask, cache), memory);

    /// <summary>Runs the layer for one further token, [batch, 1, hidden].</summary>
    internal Tensor Step(Tensor x, CrossMemory? memory, IAttentionCache cache) => Run(x, normed => _attention.Step(normed, cache), memory);

    /// <summary>The source as this layer sees it; null if it sees none.</summary>
    internal CrossMemory? Remember(Tensor source, Tensor? mask) => _cross?.Remember(source, mask);

    /// <summary>An empty cache; null if this layer cannot go token by token.</summary>
    internal IAttentionCache? NewCache() => _attention.NewCache();

    private Tensor Run(Tensor x, Func<Tensor, Tensor> attend, CrossMemory? memory)
    {
        x = Around(x, _attentionNorm, attend);
        if (_cross is not null)
        {
            x = Around(x, _crossNorm!, normed => _cross.call(normed, memory!));
        }

        return Around(x, _feedForwardNorm, _feedForward.call);
    }

    private Tensor Around(Tensor x, Layers.LayerNorm norm, Func<Tensor, Tensor> inner) => _normFirst
        ? x + Drop(inner(norm.call(x)))
        : norm.call(x + Drop(inner(x)));

    private Tensor Drop(Tensor x) => nn.functional.dropout(x, _dropout, training);
}
