namespace Linformer.Training.Sharding;

/// <summary>Neighbouring elements of the flat buffers.</summary>
/// <param name="From">The first.</param>
/// <param name="Length">How many.</param>
public readonly record struct BufferRange(long From, long Length)
{
    /// <summary>The first element behind it.</summary>
    public long End => From + Length;

    /// <summary>Whether all of another range is within this one.</summary>
    /// <param name="other">The other range.</param>
    public bool Contains(BufferRange other) => other.From >= From && other.End <= End;

    /// <summary>What two ranges have in common; of no length where that is nothing.</summary>
    /// <param name="other">The other range.</param>
    public BufferRange Intersect(BufferRange other)
    {
        var from = Math.Max(From, other.From);
        return new BufferRange(from, Math.Max(0, Math.Min(End, other.End) - from));
    }
}
