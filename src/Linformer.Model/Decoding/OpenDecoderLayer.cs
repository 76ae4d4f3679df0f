using Linformer.Model.Layers;
using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

/// <summary>
/// One layer of an open decoder: attention over the whole target and a feed-forward layer, then attention over the source and a further
/// feed-forward layer.
/// </summary>
public sealed class OpenDecoderLayer : nn.Module<Tensor, Tensor?, Tensor, Tensor?, Tensor>
{
    private readonly EncoderLayer _target;
    private readonly EncoderLayer _source;

    /// <summary>Makes the layer; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">Shapes, order of norms, dropout.</param>
    /// <param name="layer">Which layer it is, from 0.</param>
    /// <param name="shared">E and F of the target and of the source under <see cref="ProjectionSharing.Layerwise"/>, otherwise null.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    public OpenDecoderLayer(LinformerConfig config, int layer, SequenceProjection? shared, Placement placement)
        : base(nameof(OpenDecoderLayer))
    {
        _target = new EncoderLayer(config with { Causal = CausalKind.None }, layer, shared, placement);
        _source = new EncoderLayer(config, layer, shared, placement);
        register_module("target", _target);
        register_module("source", _source);
    }

    /// <summary>Runs the layer.</summary>
    /// <param name="x">[batch, length, hidden].</param>
    /// <param name="mask">[batch, length, 1], 1 for a token and 0 for padding; null when nothing is padded.</param>
    /// <param name="source">[batch, source, hidden].</param>
    /// <param name="sourceMask">[batch, source, 1], 1 for a token and 0 for padding; null when nothing is padded.</param>
    /// <returns>[batch, length, hidden].</returns>
    public override Tensor forward(Tensor x, Tensor? mask, Tensor source, Tensor? sourceMask) =>
        _source.Read(_target.call(x, mask), source, sourceMask);
}
