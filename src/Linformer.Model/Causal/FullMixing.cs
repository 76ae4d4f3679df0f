using static TorchSharp.torch;

namespace Linformer.Model.Causal;

/// <summary>Softmax attention over all tokens so far, for comparison: O(n²).</summary>
internal sealed class FullMixing : ICausalMixing
{
    /// <inheritdoc/>
    public Tensor Mix(Tensor query, Tensor keys, Tensor values, CausalMask mask, Func<Tensor, Tensor> weights) =>
        weights(mask.Apply(query.matmul(keys.transpose(-2, -1)))).matmul(values); // [batch, heads, length, length] within

    /// <inheritdoc/>
    public IAttentionCache NewCache() => new Cache();

    private sealed class Cache : IAttentionCache
    {
        private Tensor? _keys;
        private Tensor? _values;

        public void Append(Tensor keys, Tensor values)
        {
            using var noGrad = no_grad();
            _keys = Joined(_keys, keys);
            _values = Joined(_values, values);
        }

        public (Tensor Keys, Tensor Values) Visible() => (_keys!, _values!);

        public void Reorder(Tensor rows)
        {
            _keys = Reordered(_keys, rows);
            _values = Reordered(_values, rows);
        }

        public void Dispose()
        {
            _keys?.Dispose();
            _values?.Dispose();
        }

        private static Tensor Joined(Tensor? before, Tensor added)
        {
            var joined = (before is null ? added.clone() : cat([before, added], dim: 2)).DetachFromDisposeScope();
            before?.Dispose();
            return joined;
        }

        private static Tensor? Reordered(Tensor? before, Tensor rows)
        {
            var reordered = before?.index_select(0, rows).DetachFromDisposeScope();
            before?.Dispose();
            return reordered;
        }
    }
}
