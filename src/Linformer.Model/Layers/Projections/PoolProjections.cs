using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>The mean over those positions of each window of n/k that are no padding (Wang et al. 2020, section 4, "General projections").</summary>
internal sealed class MeanPoolProjection(long window, long heads) : SequenceProjection
{
    public override ProjectedSequence Project(Tensor keys, Tensor values, Tensor? mask)
    {
        var areSame = ReferenceEquals(keys, values);
        var counts = Counts(keys, mask); // [batch or 1, windows, 1]
        var pooledKeys = Mean(keys, mask, counts);
        var pooledValues = areSame ? pooledKeys : Mean(values, mask, counts);
        return new(pooledKeys, pooledValues, mask is null ? null : Windows.Empty(counts));
    }

    private Tensor Counts(Tensor x, Tensor? mask)
    {
        var there = mask ?? ones([1, x.shape[1], 1], dtype: x.dtype == ScalarType.BFloat16 ? ScalarType.Float32 : x.dtype, device: x.device);
        return Windows.Split(Windows.Fill(there, window, 0), window).sum(2, keepdim: false);
    }

    private Tensor Mean(Tensor x, Tensor? mask, Tensor counts)
    {
        var weights = counts.clamp_min(1).reciprocal().to_type(x.dtype);
        x = mask is null ? x : x * mask.to_type(x.dtype);
        return (Windows.Split(Windows.Fill(x, window, 0), window).sum(2, keepdim: false) * weights).SplitHeads(heads);
    }
}

/// <summary>The greatest element of each window of n/k positions, where padding counts as minus infinity (Wang et al. 2020, section 4, "General projections").</summary>
internal sealed class MaxPoolProjection(long window, long heads) : SequenceProjection
{
    // Finite, and in the range of every type: infinities would become NaN in what is hidden anyway.
    private const double Least = -1e30;

    public override ProjectedSequence Project(Tensor keys, Tensor values, Tensor? mask)
    {
        var areSame = ReferenceEquals(keys, values);
        var empty = mask is null ? null : Windows.Empty(Windows.Split(Windows.Fill(mask, window, 0), window).sum(2, keepdim: false));
        var pooledKeys = Max(keys, mask, empty);
        var pooledValues = areSame ? pooledKeys : Max(values, mask, empty);
        return new(pooledKeys, pooledValues, empty);
    }

    private Tensor Max(Tensor x, Tensor? mask, Tensor? empty)
    {
        x = mask is null ? x : x.masked_fill(mask.eq(0), Least);
        var pooled = Windows.Split(Windows.Fill(x, window, Least), window).amax(2).SplitHeads(heads);
        return empty is null ? pooled : pooled.masked_fill(empty.transpose(-2, -1), 0);
    }
}
