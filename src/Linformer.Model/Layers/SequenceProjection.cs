using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>
/// E and F of one layer: they take keys and values from length n to k (Wang et al. 2020, equation 7).
/// Which tensors they are, and whether they are one, is decided by <see cref="ProjectionSharing"/>.
/// </summary>
/// <param name="Key">E, [k, n], or [heads, k, n] when each head has its own.</param>
/// <param name="Value">F, of the same shape; the same tensor when E = F.</param>
public sealed record SequenceProjection(Parameter Key, Parameter Value)
{
    /// <summary>Projects keys: E·K.</summary>
    /// <param name="keys">[batch, length, hidden]; length at most n. Rows of padding must be zero.</param>
    /// <param name="heads">Heads to split into.</param>
    /// <returns>[batch, heads, k, head size].</returns>
    public Tensor ProjectKeys(Tensor keys, long heads) => Apply(Key, keys, heads);

    /// <summary>Projects values: F·V.</summary>
    /// <param name="values">[batch, length, hidden]; length at most n. Rows of padding must be zero.</param>
    /// <param name="heads">Heads to split into.</param>
    /// <returns>[batch, heads, k, head size].</returns>
    public Tensor ProjectValues(Tensor values, long heads) => Apply(Value, values, heads);

    private static Tensor Apply(Tensor projection, Tensor x, long heads)
    {
        var (batch, length) = (x.shape[0], x.shape[1]);
        var columns = projection.narrow(-1, 0, length); // a shorter sequence uses the first columns
        if (projection.dim() == 3)
        {
            return columns.matmul(x.SplitHeads(heads)); // [heads, k, length]·[batch, heads, length, d]
        }

        // All heads share the matrix, so it is applied before they are split.
        var k = projection.shape[0];
        return columns.expand(batch, k, length).bmm(x).SplitHeads(heads); // [batch, heads, k, d]
    }
}
