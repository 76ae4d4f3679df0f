using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>Layer normalization over the last dimension, with gain and bias.</summary>
public sealed class LayerNorm : nn.Module<Tensor, Tensor>
{
    private readonly Parameter _weight;
    private readonly Parameter _bias;
    private readonly long[] _shape;
    private readonly double _epsilon;

    /// <summary>Makes the layer; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="width">Width of the last dimension.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    public LayerNorm(long width, double epsilon, Placement placement)
        : base(nameof(LayerNorm))
    {
        _shape = [width];
        _epsilon = epsilon;
        _weight = placement.NewParameter(width);
        _bias = placement.NewParameter(width);
        register_parameter("weight", _weight);
        register_parameter("bias", _bias);
    }

    /// <summary>Makes the norm around a stack's layers: after the last (pre-norm) or after the embeddings (post-norm); null if it has none.</summary>
    /// <param name="config">Shapes, order of norms.</param>
    /// <param name="owner">Gets the norm.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    internal static LayerNorm? CreateOuter(LinformerConfig config, nn.Module owner, Placement placement)
    {
        if (!config.OuterNorm)
        {
            return null;
        }

        var norm = new LayerNorm(config.Normalization == Normalization.Pre ? config.Hidden : config.Embedding, config.NormEpsilon, placement);
        owner.register_module("norm", norm);
        return norm;
    }

    /// <summary>[..., width] to [..., width].</summary>
    public override Tensor forward(Tensor input) => nn.functional.layer_norm(input, _shape, _weight, _bias, _epsilon);
}
