using static TorchSharp.torch;

namespace Linformer.Model.Causal;

/// <summary>What the queries of a sequence must not see. One serves all layers of a forward pass.</summary>
public abstract class CausalMask
{
    // Finite, so that a query that sees nothing but padding has a uniform softmax over what lies before it rather than NaN.
    private const double PaddingScore = -1e30;

    private Tensor? _padding;

    /// <summary>What comes later; true where a score must not count. It broadcasts to the scores.</summary>
    protected abstract Tensor Later { get; }

    /// <summary>The mask for sequences of some length.</summary>
    /// <param name="config">What kind of attention.</param>
    /// <param name="length">Tokens of a sequence.</param>
    /// <param name="mask">[batch, length], nonzero for a token and 0 for padding; null when nothing is padded.</param>
    /// <param name="device">Where the attention is computed.</param>
    public static CausalMask For(LinformerConfig config, long length, Tensor? mask, Device device)
    {
        if (config.Attention == AttentionKind.Full)
        {
            return new TriangleMask(length, length, device) { _padding = mask?.eq(0).view(mask.shape[0], 1, 1, length), Keep = Kept(mask) };
        }

        if (config.Causal == CausalKind.MaskMap)
        {
            return new TriangleMask(length, config.ProjectedLength, device) { Keep = Kept(mask) };
        }

        var segments = new SegmentMask(SegmentPlan.Of(config), length, device) { Keep = Kept(mask) };
        segments._padding = mask is null ? null : segments.PaddingColumns(mask);
        return segments;
    }

    /// <summary>[batch, length, 1], 1 for a token and 0 for padding; null when nothing is padded.</summary>
    internal Tensor? Keep { get; private init; }

    /// <summary>Takes what must not be seen out of the scores.</summary>
    /// <param name="scores">[batch, heads, …, queries, columns].</param>
    internal Tensor Apply(Tensor scores)
    {
        if (_padding is not null)
        {
            scores = scores.masked_fill(_padding, PaddingScore);
        }

        return scores.masked_fill(Later, double.NegativeInfinity);
    }

    private static Tensor? Kept(Tensor? mask) => mask?.ne(0).to_type(ScalarType.Float32).unsqueeze(-1);
}

/// <summary>Hides column j from query i where j &gt; i.</summary>
internal sealed class TriangleMask(long rows, long columns, Device device) : CausalMask
{
    /// <inheritdoc/>
    protected override Tensor Later { get; } = arange(columns, device: device).gt(arange(rows, device: device).unsqueeze(-1)); // [rows, columns]
}

/// <summary>
/// Hides from the queries of each segment what is not in its window or finished before it. The columns are summaries of the visible
/// segments, then the tokens of the segment before, then those of the segment itself.
/// </summary>
internal sealed class SegmentMask : CausalMask
{
    private readonly SegmentPlan _plan;
    private readonly long _length;

    public SegmentMask(SegmentPlan plan, long length, Device device)
    {
        (_plan, _length) = (plan, length);
        Segments = plan.SegmentsOf(length);
        VisibleSegments = Math.Clamp(Segments - 2, 0, plan.VisibleSegments);

        var segment = arange(Segments, device: device).view(-1, 1, 1);
        var row = arange(plan.Length, device: device).view(1, -1, 1);
        var column = arange(Summaries + (2 * plan.Length), device: device).view(1, 1, -1);
        var token = column - (Summaries + plan.Length); // of the own segment; negative in the segment before and in summaries
        var summarised = segment - (VisibleSegments + 1) + column.div(plan.SummariesPerSegment, RoundingMode.floor); // the segment of a summary
        var isSummary = column.lt(Summaries);
        var noSuchSummary = isSummary.logical_and(summarised.lt(0));
        var noSegmentBefore = isSummary.logical_not().logical_and(token.lt(0)).logical_and(segment.eq(0));
        Later = noSuchSummary.logical_or(noSegmentBefore).logical_or(token.gt(row)); // [segments, s, columns]
    }

    /// <summary>Segments of a sequence.</summary>
    public long Segments { get; }

    /// <summary>How many finished segments a segment has columns for, whether there are as many before it or not.</summary>
    public long VisibleSegments { get; }

    /// <inheritdoc/>
    protected override Tensor Later { get; }

    private long Summaries => VisibleSegments * _plan.SummariesPerSegment;

    /// <summary>Where columns are padding, [batch, 1, segments, 1, columns]. Padding adds nothing to a summary, so those need no mask.</summary>
    public Tensor PaddingColumns(Tensor mask)
    {
        var batch = mask.shape[0];
        var isPadding = mask.eq(0).to_type(ScalarType.Float32);
        var own = nn.functional.pad(isPadding, [0, (Segments * _plan.Length) - _length]).view(batch, Segments, _plan.Length);
        var before = nn.functional.pad(own, [0, 0, 1, 0]).narrow(1, 0, Segments);
        var columns = cat([zeros([batch, Segments, Summaries], device: mask.device), before, own], dim: -1);
        return columns.ne(0).view(batch, 1, Segments, 1, columns.shape[2]);
    }
}
