using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>Where parameters live and of what type their elements are.</summary>
/// <param name="Type">Element type.</param>
/// <param name="Device">Device; null for the CPU.</param>
public sealed record Placement(ScalarType Type, Device? Device = null)
{
    /// <summary>float32 on the CPU.</summary>
    public static Placement Default { get; } = new(ScalarType.Float32);

    internal Parameter NewParameter(params long[] shape) => new(zeros(shape, dtype: Type, device: Device));
}
