using System.Collections.Immutable;

namespace Linformer.Training.Sharding;

/// <summary>
/// Which part of the optimizer's state a rank holds. The flat buffers are cut into as many parts as there are ranks, and a rank holds
/// its own part and that of the next one, so that each part is on two ranks. Up to two ranks hold everything.
/// </summary>
/// <param name="World">Ranks among which the state is shared out; 0 for a rank that holds nothing.</param>
/// <param name="Rank">Which of them, from 0 on.</param>
public readonly record struct Shard(int World, int Rank)
{
    // The most ranks that hold everything.
    private const int Few = 2;

    // Parts begin on a cache line, as parameters do.
    private const long Alignment = 16;

    /// <summary>Nothing.</summary>
    public static Shard None => default;

    /// <summary>Everything.</summary>
    public static Shard Whole { get; } = new(1, 0);

    /// <summary>Whether it is everything.</summary>
    public bool IsWhole => World is > 0 and <= Few;

    /// <summary>What a rank holds.</summary>
    /// <param name="world">Ranks, at least 1.</param>
    /// <param name="rank">Which of them.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such rank.</exception>
    public static Shard Of(int world, int rank)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(world, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rank, world);
        return world <= Few ? Whole : new Shard(world, rank);
    }

    /// <summary>One of the parts into which buffers are cut: of nearly the same length each, and of none where buffers are short.</summary>
    /// <param name="length">Elements of the buffers.</param>
    /// <param name="world">Parts, at least 1.</param>
    /// <param name="part">Which of them, from 0 on.</param>
    public static BufferRange Part(long length, int world, int part)
    {
        var from = Begin(length, world, part);
        return new BufferRange(from, Begin(length, world, part + 1) - from);
    }

    /// <summary>The ranges that it is made of: those of the rank's own part first, neighbours as one.</summary>
    /// <param name="length">Elements of the buffers.</param>
    public ImmutableArray<BufferRange> Ranges(long length)
    {
        if (World == 0)
        {
            return [];
        }

        if (IsWhole)
        {
            return [new BufferRange(0, length)];
        }

        var (own, mirrored) = (Part(length, World, Rank), Part(length, World, (Rank + 1) % World));
        BufferRange[] ranges = own.End == mirrored.From ? [new BufferRange(own.From, own.Length + mirrored.Length)] : [own, mirrored];
        return [.. ranges.Where(range => range.Length > 0)];
    }

    /// <summary>Whether a range is in one of its ranges.</summary>
    /// <param name="length">Elements of the buffers.</param>
    /// <param name="range">The range.</param>
    public bool Holds(long length, BufferRange range) => Ranges(length).Any(held => held.Contains(range));

    private static long Begin(long length, int world, int part) =>
        part == world ? length : (long)((Int128)(length / Alignment) * part / world) * Alignment;
}
