using Linformer.Model.Layers;
using static TorchSharp.torch;

namespace Linformer.Model.Causal;

/// <summary>
/// Two segments token by token and the summaries of those before them, in rings: 2s + k columns however long the sequence gets. The order
/// of columns does not matter to a softmax.
/// </summary>
internal sealed class SegmentCache(SegmentPlan plan, BlockProjection projection) : IAttentionCache
{
    private readonly Ring _keys = new(plan);
    private readonly Ring _values = new(plan);
    private long _tokens;

    /// <inheritdoc/>
    public void Append(Tensor keys, Tensor values)
    {
        using var noGrad = no_grad();
        var (taken, count) = (0L, keys.shape[2]);
        while (taken < count)
        {
            var (segment, place) = (_tokens / plan.Length, _tokens % plan.Length);
            if (place == 0 && segment >= 2)
            {
                _keys.Summarise(segment - 2, projection.ProjectKeys);
                _values.Summarise(segment - 2, projection.ProjectValues);
            }

            var part = Math.Min(count - taken, plan.Length - place);
            _keys.Write(segment, place, keys.narrow(2, taken, part));
            _values.Write(segment, place, values.narrow(2, taken, part));
            taken += part;
            _tokens += part;
        }
    }

    /// <inheritdoc/>
    public (Tensor Keys, Tensor Values) Visible() => (_keys.Visible(_tokens), _values.Visible(_tokens));

    /// <inheritdoc/>
    public void Reorder(Tensor rows)
    {
        _keys.Reorder(rows);
        _values.Reorder(rows);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _keys.Dispose();
        _values.Dispose();
    }

    /// <summary>Keys, or values: [batch, heads, k + 2s, d], the summaries first.</summary>
    private sealed class Ring(SegmentPlan plan) : IDisposable
    {
        private Tensor? _rows;

        private long Summaries => (long)plan.VisibleSegments * plan.SummariesPerSegment;

        public void Write(long segment, long place, Tensor rows)
        {
            _rows ??= zeros([rows.shape[0], rows.shape[1], Summaries + (2L * plan.Length), rows.shape[3]], dtype: rows.dtype, device: rows.device)
                .DetachFromDisposeScope();
            using var target = _rows.narrow(2, Start(segment) + place, rows.shape[2]);
            target.copy_(rows);
        }

        public void Summarise(long segment, Func<Tensor, long, Tensor> project)
        {
            using var scope = NewDisposeScope();
            var summaries = project(_rows!.narrow(2, Start(segment), plan.Length).MergeHeads(), _rows.shape[1]); // [batch, heads, kₛ, d]
            _rows.narrow(2, segment % plan.VisibleSegments * plan.SummariesPerSegment, plan.SummariesPerSegment).copy_(summaries);
        }

        public Tensor Visible(long tokens)
        {
            var segment = (tokens - 1) / plan.Length;
            var own = _rows!.narrow(2, Start(segment), tokens - (segment * plan.Length));
            if (segment == 0)
            {
                return own;
            }

            var before = _rows.narrow(2, Start(segment - 1), plan.Length);
            var summaries = Math.Min(segment - 1, plan.VisibleSegments) * plan.SummariesPerSegment;
            return cat([_rows.narrow(2, 0, summaries), before, own], dim: 2);
        }

        public void Reorder(Tensor rows)
        {
            var reordered = _rows!.index_select(0, rows).DetachFromDisposeScope();
            _rows.Dispose();
            _rows = reordered;
        }

        public void Dispose() => _rows?.Dispose();

        private long Start(long segment) => Summaries + (segment % 2 * plan.Length);
    }
}
