using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>Attention and a feed-forward layer, each with a residual and a layer norm before or after it.</summary>
public sealed class EncoderLayer : nn.Module<Tensor, Tensor?, Tensor>
{
    private readonly Attention _attention;
    private readonly LayerNorm _attentionNorm;
    private readonly FeedForward _feedForward;
    private readonly LayerNorm _feedForwardNorm;
    private readonly bool _normFirst;
    private readonly double _dropout;

    /// <summary>Makes the layer; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">Shapes, order of norms, dropout.</param>
    /// <param name="shared">The model's own E and F under <see cref="ProjectionSharing.Layerwise"/>, otherwise null.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    public EncoderLayer(LinformerConfig config, SequenceProjection? shared, Placement placement)
        : base(nameof(EncoderLayer))
    {
        _normFirst = config.Normalization == Normalization.Pre;
        _dropout = config.Dropout;
        _attention = new Attention(config, shared ?? OwnProjection(config, placement), placement);
        _attentionNorm = new LayerNorm(config.Hidden, config.NormEpsilon, placement);
        _feedForward = new FeedForward(config, placement);
        _feedForwardNorm = new LayerNorm(config.Hidden, config.NormEpsilon, placement);
        register_module("attention", _attention);
        register_module("attention_norm", _attentionNorm);
        register_module("feed_forward", _feedForward);
        register_module("feed_forward_norm", _feedForwardNorm);
    }

    /// <summary>Runs the layer.</summary>
    /// <param name="x">[batch, length, hidden].</param>
    /// <param name="mask">[batch, length, 1], 1 for a token and 0 for padding; null when nothing is padded.</param>
    /// <returns>[batch, length, hidden].</returns>
    public override Tensor forward(Tensor x, Tensor? mask)
    {
        if (_normFirst)
        {
            x = x + Drop(_attention.call(_attentionNorm.call(x), mask));
            return x + Drop(_feedForward.call(_feedForwardNorm.call(x)));
        }

        x = _attentionNorm.call(x + Drop(_attention.call(x, mask)));
        return _feedForwardNorm.call(x + Drop(_feedForward.call(x)));
    }

    private Tensor Drop(Tensor x) => nn.functional.dropout(x, _dropout, training);

    private SequenceProjection? OwnProjection(LinformerConfig config, Placement placement)
    {
        if (config.Attention == AttentionKind.Full)
        {
            return null;
        }

        long[] shape = config.Sharing == ProjectionSharing.None
            ? [config.Heads, config.ProjectedLength, config.SequenceLength]
            : [config.ProjectedLength, config.SequenceLength];
        if (config.Sharing == ProjectionSharing.KeyValue)
        {
            var both = placement.NewParameter(shape);
            register_parameter("projection", both);
            return new SequenceProjection(both, both);
        }

        var projection = new SequenceProjection(placement.NewParameter(shape), placement.NewParameter(shape));
        register_parameter("projection_key", projection.Key);
        register_parameter("projection_value", projection.Value);
        return projection;
    }
}
