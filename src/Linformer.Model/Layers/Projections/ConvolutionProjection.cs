using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>
/// A convolution of kernel and stride n/k over the positions, which mixes the channels of a head (Wang et al. 2020, section 4,
/// "General projections"; the form of tatp22/linformer-pytorch). Padding counts as zeros, up to n.
/// </summary>
internal sealed class ConvolutionProjection(ConvolutionProjection.Kernel key, ConvolutionProjection.Kernel value, long heads, long k) : SequenceProjection
{
    /// <summary>Weights as those of PyTorch's Conv1d, [outputs, inputs, window], or [heads, outputs, inputs, window]; the bias of outputs, or heads · outputs.</summary>
    internal readonly record struct Kernel(Parameter Weight, Parameter Bias);

    public override ProjectedSequence Project(Tensor keys, Tensor values, Tensor? mask)
    {
        var areSame = ReferenceEquals(keys, values);
        keys = mask is null ? keys : keys * mask.to_type(keys.dtype);
        values = areSame ? keys : mask is null ? values : values * mask.to_type(values.dtype);
        var projectedKeys = Apply(key, keys);
        var projectedValues = areSame && ReferenceEquals(key.Weight, value.Weight) ? projectedKeys : Apply(value, values);
        return new(projectedKeys, projectedValues, null);
    }

    private Tensor Apply(Kernel kernel, Tensor x)
    {
        var (batch, window, size) = (x.shape[0], kernel.Weight.shape[^1], kernel.Weight.shape[^2]);
        x = Windows.Fill(x, window, 0);
        var count = x.shape[1] / window;
        var rows = x.view(batch, count, window, heads, size).permute(0, 3, 1, 2, 4).reshape(batch, heads, count, window * size);
        var weight = kernel.Weight.to_type(x.dtype).transpose(-3, -1).reshape([.. kernel.Weight.shape[..^3], window * size, size]);
        var bias = kernel.Bias.to_type(x.dtype).view(-1, 1, size); // [1 or heads, 1, d]
        var projected = rows.matmul(weight) + bias;                // [batch, heads, count, d]

        // Windows behind the end of a short sequence hold zeros alone, of which the bias is left.
        return count == k ? projected : cat([projected, bias.expand(batch, heads, k - count, size)], dim: 2);
    }
}
