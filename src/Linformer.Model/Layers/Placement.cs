using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>Where parameters live and of what type their elements are.</summary>
/// <param name="Type">Element type.</param>
/// <param name="Device">Device; null for the CPU.</param>
/// <param name="Precision">In what matrix products are computed, where that is less than <paramref name="Type"/>.</param>
public sealed record Placement(ScalarType Type, Device? Device = null, Precision Precision = Precision.Float32)
{
    /// <summary>float32 on the CPU.</summary>
    public static Placement Default { get; } = new(ScalarType.Float32);

    /// <summary>The operand of a product: the tensor itself, or a bfloat16 copy of it.</summary>
    internal Tensor Operand(Tensor tensor) => Precision == Precision.BFloat16 ? tensor.to_type(ScalarType.BFloat16) : tensor;

    internal Parameter NewParameter(params long[] shape) => NewParameter(trained: true, shape);

    internal Parameter NewParameter(bool trained, long[] shape) => new(zeros(shape, dtype: Type, device: Device), requires_grad: trained);
}
