using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Training.Tests.Trainers;

/// <summary>y = w·x + b, with a parameter of each kind: one with weight decay, one without.</summary>
internal sealed class LinearModel : nn.Module<Tensor, Tensor>
{
    public LinearModel(float[] weight, float bias)
        : base(nameof(LinearModel))
    {
        Bias = new Parameter(tensor(new[] { bias }));
        Weight = new Parameter(tensor(weight, [1, weight.Length]));
        register_parameter("bias", Bias);
        register_parameter("weight", Weight);
    }

    /// <summary>[1, width].</summary>
    public Parameter Weight { get; }

    /// <summary>[1].</summary>
    public Parameter Bias { get; }

    /// <summary>[rows, width] to [rows].</summary>
    public override Tensor forward(Tensor input) => input.matmul(Weight.t()).squeeze(1) + Bias;
}
