using Linformer.Model.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Causal;

/// <summary>E and F of a decoder's layer: of a segment, of a source, or under <see cref="CausalKind.MaskMap"/> of the whole sequence.</summary>
/// <param name="Key">E, [rows, columns], or [heads, rows, columns] when each head has its own.</param>
/// <param name="Value">F, of the same shape; the same tensor when E = F.</param>
public sealed record BlockProjection(Parameter Key, Parameter Value)
{
    /// <summary>Projects keys: E·K.</summary>
    /// <param name="keys">[batch, length, hidden]; length at most the columns of E, of which the first are used. Rows of padding must be zero.</param>
    /// <param name="heads">Heads to split into.</param>
    /// <returns>[batch, heads, rows, head size].</returns>
    public Tensor ProjectKeys(Tensor keys, long heads) => Apply(Key, keys, heads);

    /// <summary>Projects values: F·V.</summary>
    /// <param name="values">[batch, length, hidden]; length at most the columns of F, of which the first are used. Rows of padding must be zero.</param>
    /// <param name="heads">Heads to split into.</param>
    /// <returns>[batch, heads, rows, head size].</returns>
    public Tensor ProjectValues(Tensor values, long heads) => Apply(Value, values, heads);

    private static Tensor Apply(Tensor projection, Tensor x, long heads)
    {
        var (batch, length, rows) = (x.shape[0], x.shape[1], projection.shape[^2]);
        var columns = projection.narrow(-1, 0, length).to_type(x.dtype);
        return projection.dim() == 3
            ? columns.matmul(x.SplitHeads(heads))                             // [heads, rows, length]·[batch, heads, length, d]
            : columns.expand(batch, rows, length).bmm(x).SplitHeads(heads);   // applied before heads are split, since they share it
    }
}
