namespace Linformer.Model.Causal;

/// <summary>
/// Who sees what under <see cref="CausalKind.Segments"/>. A token of segment m sees segments m - 1 and m token by token, up to itself,
/// and of the <see cref="VisibleSegments"/> segments before them <see cref="SummariesPerSegment"/> summaries each.
/// </summary>
/// <remarks>
/// Summaries of finished segments beside an exact window are from the Long-Short Transformer (Zhu et al. 2021, section 3.3). There every
/// finished segment stays visible, which costs n²·r/s. A memory of fixed size, from which the oldest summaries fall out, is from the
/// Compressive Transformer (Rae et al. 2020). With it a token sees at most 2s + k columns, so a sequence costs O(n·(2s + k)) in time
/// and in memory. Nothing falls out of a sequence of up to s·(k/kₛ + 2) tokens, which is at least n as long as k ≥ n/s.
/// </remarks>
/// <param name="Length">Tokens of a segment, s.</param>
/// <param name="SummariesPerSegment">Rows that stand for a finished segment, kₛ.</param>
/// <param name="VisibleSegments">How many finished segments before the window a token sees.</param>
public sealed record SegmentPlan(int Length, int SummariesPerSegment, int VisibleSegments)
{
    private const int ShortestByDefault = 16;
    private const int LongestByDefault = 128;

    /// <summary>
    /// The plan of a model: kₛ = max(1, ⌊k·s/n⌋) summaries of a segment, of which as many are seen as go into k. Without a length s is n/8, from 16
    /// to 128, or n/k if that is more.
    /// </summary>
    /// <param name="config">n, k and s.</param>
    /// <exception cref="ArgumentException">s is not from 1 to n.</exception>
    public static SegmentPlan Of(LinformerConfig config)
    {
        var (n, k) = (config.SequenceLength, config.ProjectedLength);
        var length = config.SegmentLength ?? Math.Min(n, Math.Max((n + k - 1) / k, Math.Clamp(n / 8, ShortestByDefault, LongestByDefault)));
        if (length < 1 || length > n)
        {
            throw new ArgumentException($"{nameof(config.SegmentLength)} is {length}; it must be from 1 to {nameof(config.SequenceLength)} (n), which is {n}.");
        }

        var perSegment = (int)Math.Max(1, (long)k * length / n);
        return new SegmentPlan(length, perSegment, k / perSegment);
    }

    /// <summary>Segments of a sequence, the last of which may be short.</summary>
    /// <param name="length">Tokens.</param>
    public long SegmentsOf(long length) => (length + Length - 1) / Length;
}
