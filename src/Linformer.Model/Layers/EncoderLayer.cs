using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>
/// Attention and a feed-forward layer, each with a residual and a layer norm before or after it. A feed-forward layer that leads to another
/// width has a dense layer in its residual; a layer may be without one (both of tatp22/linformer-pytorch).
/// </summary>
public sealed class EncoderLayer : nn.Module<Tensor, Tensor?, Tensor>
{
    private readonly Attention _attention;
    private readonly LayerNorm _attentionNorm;
    private readonly FeedForward? _feedForward;
    private readonly LayerNorm? _feedForwardNorm;
    private readonly Dense? _residual;
    private readonly bool _normFirst;
    private readonly double _dropout;

    /// <summary>Makes the layer; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">Shapes, order of norms, dropout.</param>
    /// <param name="layer">Which layer it is, from 0.</param>
    /// <param name="shared">The model's own E and F under <see cref="ProjectionSharing.Layerwise"/>, otherwise null.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    public EncoderLayer(LinformerConfig config, int layer, SequenceProjection? shared, Placement placement)
        : base(nameof(EncoderLayer))
    {
        _normFirst = config.Normalization == Normalization.Pre;
        _dropout = config.Dropout;
        var (input, output) = (config.InputWidthOf(layer), config.OutputWidthOf(layer));
        var own = input == config.Hidden ? config : config with { Hidden = input, HeadSize = config.HeadSize };
        _attention = new Attention(own, shared ?? SequenceProjection.Create(config, layer, this, placement), placement);
        _attentionNorm = new LayerNorm(input, config.NormEpsilon, placement);
        register_module("attention", _attention);
        register_module("attention_norm", _attentionNorm);
        if (!config.HasFeedForward)
        {
            return;
        }

        _feedForward = new FeedForward(config, layer, placement);
        _feedForwardNorm = new LayerNorm(_normFirst ? input : output, config.NormEpsilon, placement);
        register_module("feed_forward", _feedForward);
        register_module("feed_forward_norm", _feedForwardNorm);
        if (input != output)
        {
            _residual = new Dense(input, output, placement);
            register_module("residual", _residual);
        }
    }

    /// <summary>Sets who is shown what the attention computes; null for nobody.</summary>
    internal void Watch(Action<Inspection.AttentionTrace>? watcher) => _attention.Watcher = watcher;

    /// <summary>Runs the layer.</summary>
    /// <param name="x">[batch, length, <see cref="LinformerConfig.InputWidthOf"/>].</param>
    /// <param name="mask">[batch, length, 1], 1 for a token and 0 for padding; null when nothing is padded.</param>
    /// <returns>[batch, length, <see cref="LinformerConfig.OutputWidthOf"/>].</returns>
    public override Tensor forward(Tensor x, Tensor? mask) => Run(x, normed => _attention.call(normed, mask));

    /// <summary>Runs the layer with attention over another sequence.</summary>
    /// <param name="x">[batch, length, hidden].</param>
    /// <param name="source">[batch, source, hidden].</param>
    /// <param name="mask">[batch, source, 1], 1 for a token of the source and 0 for padding; null when nothing is padded.</param>
    /// <returns>[batch, length, hidden].</returns>
    internal Tensor Read(Tensor x, Tensor source, Tensor? mask) => Run(x, normed => _attention.Over(normed, source, mask));

    /// <summary>What attention adds to its residual when norms come first: F of a reversible block.</summary>
    internal Tensor Attend(Tensor x, Tensor? mask) => Drop(_attention.call(_attentionNorm.call(x), mask));

    /// <summary>What the feed-forward layer adds to its residual when norms come first: G of a reversible block.</summary>
    internal Tensor Feed(Tensor x) => Drop(_feedForward!.call(_feedForwardNorm!.call(x)));

    private Tensor Run(Tensor x, Func<Tensor, Tensor> attend)
    {
        x = _normFirst ? x + Drop(attend(_attentionNorm.call(x))) : _attentionNorm.call(x + Drop(attend(x)));
        if (_feedForward is null)
        {
            return x;
        }

        var kept = _residual?.call(x).to_type(x.dtype) ?? x;
        return _normFirst ? kept + Feed(x) : _feedForwardNorm!.call(kept + Drop(_feedForward.call(x)));
    }

    private Tensor Drop(Tensor x) => nn.functional.dropout(x, _dropout, training);
}
