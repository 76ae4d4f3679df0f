using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>y = x·Wᵀ + b, with W of [outputs, inputs].</summary>
public sealed class Dense : nn.Module<Tensor, Tensor>
{
    private readonly Parameter _weight;
    private readonly Parameter _bias;

    /// <summary>Makes the layer; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="inputs">Width of x.</param>
    /// <param name="outputs">Width of y.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    public Dense(long inputs, long outputs, Placement placement)
        : base(nameof(Dense))
    {
        _weight = placement.NewParameter(outputs, inputs);
        _bias = placement.NewParameter(outputs);
        register_parameter("weight", _weight);
        register_parameter("bias", _bias);
    }

    /// <summary>[..., inputs] to [..., outputs].</summary>
    public override Tensor forward(Tensor input) => nn.functional.linear(input, _weight, _bias);
}
