using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>y = x·Wᵀ + b, with W of [outputs, inputs].</summary>
public sealed class Dense : nn.Module<Tensor, Tensor>
{
    private readonly Parameter _weight;
    private readonly Parameter? _bias;
    private readonly Placement _placement;

    /// <summary>Makes the layer; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="inputs">Width of x.</param>
    /// <param name="outputs">Width of y.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    /// <param name="bias">Whether there is a b.</param>
    public Dense(long inputs, long outputs, Placement placement, bool bias = true)
        : base(nameof(Dense))
    {
        _placement = placement;
        _weight = placement.NewParameter(outputs, inputs);
        register_parameter("weight", _weight);
        if (bias)
        {
            _bias = placement.NewParameter(outputs);
            register_parameter("bias", _bias);
        }
    }

    /// <summary>[..., inputs] to [..., outputs], in bfloat16 if that is the precision of products.</summary>
    public override Tensor forward(Tensor input) =>
        nn.functional.linear(_placement.Operand(input), _placement.Operand(_weight), _bias is null ? null : _placement.Operand(_bias));
}
