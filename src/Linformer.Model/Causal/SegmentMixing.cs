using static TorchSharp.torch;

namespace Linformer.Model.Causal;

/// <summary>
/// Causal attention in linear time: exact within a window, and over learned summaries of finished segments before it (see
/// <see cref="SegmentPlan"/>). A summary is a row of Eₛ times the keys of its segment (Fₛ for values). Eₛ and Fₛ of [kₛ, s] serve all
/// segments: Linformer's projection, cut into blocks that lie wholly before whoever sees them.
/// </summary>
internal sealed class SegmentMixing(SegmentPlan plan, BlockProjection projection) : ICausalMixing
{
    /// <inheritdoc/>
    public Tensor Mix(Tensor query, Tensor keys, Tensor values, CausalMask mask, Func<Tensor, Tensor> weights)
    {
        var segments = (SegmentMask)mask;
        var (batch, heads, length, d) = (query.shape[0], query.shape[1], query.shape[2], query.shape[3]);
        query = Cut(query, segments.Segments);                                             // [batch, heads, segments, s, d]
        keys = Columns(Cut(keys, segments.Segments), projection.ProjectKeys, segments);    // [batch, heads, segments, columns, d]
        values = Columns(Cut(values, segments.Segments), projection.ProjectValues, segments);
        var scores = mask.Apply(query.matmul(keys.transpose(-2, -1)));                     // [batch, heads, segments, s, columns]
        return weights(scores).matmul(values).reshape(batch, heads, segments.Segments * plan.Length, d).narrow(2, 0, length);
    }

    /// <inheritdoc/>
    public IAttentionCache NewCache() => new SegmentCache(plan, projection);

    private Tensor Cut(Tensor x, long segments)
    {
        var missing = (segments * plan.Length) - x.shape[2];
        x = missing > 0 ? nn.functional.pad(x, [0, 0, 0, missing]) : x;
        return x.reshape(x.shape[0], x.shape[1], segments, plan.Length, x.shape[3]);
    }

    // What the queries of each segment are compared with: summaries, the segment before, the segment itself.
    private Tensor Columns(Tensor own, Func<Tensor, long, Tensor> project, SegmentMask mask)
    {
        var before = nn.functional.pad(own, [0, 0, 0, 0, 1, 0]).narrow(2, 0, mask.Segments);
        return mask.VisibleSegments == 0
            ? cat([before, own], dim: 3)
            : cat([Summaries(own, project, mask), before, own], dim: 3);
    }

    private Tensor Summaries(Tensor x, Func<Tensor, long, Tensor> project, SegmentMask mask)
    {
        var (batch, heads, d) = (x.shape[0], x.shape[1], x.shape[4]);
        var visible = mask.VisibleSegments;
        var finished = mask.Segments - 2; // the others are seen by nobody as summaries
        var rows = x.narrow(2, 0, finished).permute(0, 2, 3, 1, 4).reshape(batch * finished, plan.Length, heads * d);
        var made = project(rows, heads)                                         // [batch·finished, heads, kₛ, d]
            .reshape(batch, finished, heads, plan.SummariesPerSegment, d)
            .permute(0, 2, 1, 3, 4);                                            // [batch, heads, finished, kₛ, d]

        // Segment m sees those of m - 1 - visible to m - 2: with visible + 1 empty ones before the first, from number m on.
        return nn.functional.pad(made, [0, 0, 0, 0, visible + 1, 0])
            .unfold(2, visible, 1)                                              // [batch, heads, segments, kₛ, d, visible]
            .permute(0, 1, 2, 5, 3, 4)
            .reshape(batch, heads, mask.Segments, visible * plan.SummariesPerSegment, d);
    }
}
