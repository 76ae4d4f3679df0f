using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>Positions as waves (Vaswani et al. 2017, section 3.5): the sines stand before the cosines, as in tensor2tensor and tatp22/linformer-pytorch.</summary>
internal static class Sinusoids
{
    /// <summary>Element i of row p is sin(p / base^(2i/width)) in the first half, and the cosine of the same in the second.</summary>
    /// <param name="rows">Positions, from 0.</param>
    /// <param name="width">Even.</param>
    /// <param name="wavelengths">The base.</param>
    /// <param name="placement">Element type and device.</param>
    /// <returns>[rows, width], in no dispose scope.</returns>
    public static Tensor Table(long rows, long width, double wavelengths, Placement placement)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var frequencies = (arange(0, width, 2, dtype: ScalarType.Float64) * (-Math.Log(wavelengths) / width)).exp();
        var angles = arange(0, rows, dtype: ScalarType.Float64).unsqueeze(1) * frequencies; // [rows, width / 2]
        var table = cat([angles.sin(), angles.cos()], dim: 1);
        return table.to(placement.Type, placement.Device ?? CPU).DetachFromDisposeScope();
    }
}
