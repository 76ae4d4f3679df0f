using System.Collections.Immutable;

namespace Linformer.Coordinator.Storage.Metrics;

/// <summary>A part of a generation's steps that is read at once.</summary>
/// <param name="Lineage">The lineage.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Size">Of the buckets to read, in steps; 1 for the rows of the steps themselves.</param>
/// <param name="From">The first step; a multiple of <paramref name="Size"/>.</param>
/// <param name="Before">Only steps before this one; a multiple of <paramref name="Size"/>.</param>
public readonly record struct MetricPiece(int Lineage, int Generation, long Size, long From, long Before);

/// <summary>
/// How a range of steps is read as few equal buckets: by which sizes of what was brought together at the recording. Those are used only
/// where all of their steps count and lie in one bucket; single steps fill the ragged edges.
/// </summary>
/// <param name="Origin">Where the first bucket begins.</param>
/// <param name="StepsPerBucket">The steps of each.</param>
/// <param name="Pieces">What to read, in the order of steps; no step is in two of them.</param>
public sealed record MetricPlan(long Origin, long StepsPerBucket, ImmutableArray<MetricPiece> Pieces)
{
    // So few steps are read one by one rather than in several pieces.
    private const long FewSteps = 64;

    /// <summary>The plan for a range.</summary>
    /// <param name="valid">Which steps count.</param>
    /// <param name="sizes">The sizes of what was brought together, each a multiple of the one before.</param>
    /// <param name="from">The first step of the range, from 0 on.</param>
    /// <param name="to">The last one; at least <paramref name="from"/>.</param>
    /// <param name="newest">The newest step that there is.</param>
    /// <param name="points">The most buckets; there are at least half as many where there are as many steps. From 1 on.</param>
    public static MetricPlan Of(IReadOnlyList<ValidSteps> valid, ReadOnlySpan<long> sizes, long from, long to, long newest, int points)
    {
        var (size, origin, stepsPerBucket) = Grid(sizes, from, to, points);
        var pieces = ImmutableArray.CreateBuilder<MetricPiece>();
        foreach (var steps in valid)
        {
            // Nothing comes after the newest step, so that its bucket is as good as whole.
            var end = steps.Before > newest && to >= newest ? Up(newest + 1, size) : Math.Min(steps.Before, to + 1);
            Cut(pieces, steps, sizes[..(sizes.IndexOf(size) + 1)], Math.Max(steps.From, from), end);
        }
        return new MetricPlan(origin, stepsPerBucket, pieces.DrainToImmutable());
    }

    /// <summary>The number of the bucket that a step is in, from 0 on.</summary>
    public int BucketOf(long step) => (int)((step - Origin) / StepsPerBucket);

    // The largest size by which buckets are at most twice as large as they have to be.
    private static (long Size, long Origin, long StepsPerBucket) Grid(ReadOnlySpan<long> sizes, long from, long to, int points)
    {
        var least = Share(to - from + 1, points);
        for (var i = sizes.Length - 1; i >= 0; i--)
        {
            var origin = Down(from, sizes[i]);
            var steps = Up(Share(to - origin + 1, points), sizes[i]);
            if (steps <= 2 * least)
                return (sizes[i], origin, steps);
        }
        return (1, from, least);
    }

    private static void Cut(ImmutableArray<MetricPiece>.Builder pieces, ValidSteps of, ReadOnlySpan<long> sizes, long from, long before)
    {
        if (from >= before)
            return;
        if (sizes.IsEmpty || before - from <= FewSteps)
        {
            pieces.Add(new MetricPiece(of.Lineage, of.Generation, 1, from, before));
            return;
        }
        var (first, end) = (Up(from, sizes[^1]), Down(before, sizes[^1]));
        if (first >= end)
        {
            Cut(pieces, of, sizes[..^1], from, before);
            return;
        }
        Cut(pieces, of, sizes[..^1], from, first);
        pieces.Add(new MetricPiece(of.Lineage, of.Generation, sizes[^1], first, end));
        Cut(pieces, of, sizes[..^1], end, before);
    }

    private static long Share(long steps, long points) => (steps + points - 1) / points;

    private static long Down(long step, long size) => step - (step % size);

    private static long Up(long step, long size) => Down(step + size - 1, size);
}
