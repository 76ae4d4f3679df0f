using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>
/// E·K and F·V (Wang et al. 2020, equation 7), E and F learned or fixed; with biases, a number is added to each of the k rows.
/// Rows of padding are zeroed first, so that they add nothing to any of the k sums and the softmax over these needs no mask.
/// </summary>
/// <param name="key">E, [k, n], or [heads, k, n] when each head has its own.</param>
/// <param name="value">F, of the same shape; the same object when E = F.</param>
/// <param name="keyBias">[k], or [heads, k]; null for none.</param>
/// <param name="valueBias">Of the same shape; null for none.</param>
/// <param name="heads">Key/value heads.</param>
public sealed class MatrixProjection(Parameter key, Parameter value, Parameter? keyBias, Parameter? valueBias, long heads) : SequenceProjection
{
    /// <summary>E.</summary>
    public Parameter Key => key;

    /// <summary>F.</summary>
    public Parameter Value => value;

    /// <summary>Whether a number is added to each of the k rows.</summary>
    public bool HasBias => keyBias is not null || valueBias is not null;

    /// <inheritdoc/>
    public override ProjectedSequence Project(Tensor keys, Tensor values, Tensor? mask)
    {
        var areSame = ReferenceEquals(keys, values);
        keys = mask is null ? keys : keys * mask.to_type(keys.dtype);
        values = areSame ? keys : mask is null ? values : values * mask.to_type(values.dtype);
        var projectedKeys = Apply(key, keyBias, keys);
        var projectedValues = areSame && ReferenceEquals(key, value) ? projectedKeys : Apply(value, valueBias, values);
        return new(projectedKeys, projectedValues, null);
    }

    private Tensor Apply(Parameter projection, Parameter? bias, Tensor x)
    {
        var (batch, length, k) = (x.shape[0], x.shape[1], projection.shape[^2]);
        var columns = projection.narrow(-1, 0, length).to_type(x.dtype); // a shorter sequence uses the first columns
        // [heads, k, length]·[batch, heads, length, d]; what all heads share is applied before they are split.
        var projected = projection.dim() == 3
            ? columns.matmul(x.SplitHeads(heads))
            : columns.expand(batch, k, length).bmm(x).SplitHeads(heads); // [batch, heads, k, d]
        return bias is null ? projected : projected + bias.to_type(x.dtype).view(-1, k, 1);
    }
}
