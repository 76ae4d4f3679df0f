using System.Collections.Immutable;
using static TorchSharp.torch;

namespace Linformer.Training.Sharding;

/// <summary>Both moments of AdamW for what a rank holds of them: its ranges of the flat buffers, one after the other.</summary>
public sealed class Moments : IDisposable
{
    private readonly long _length;

    /// <summary>Makes moments of zero.</summary>
    /// <param name="like">A flat buffer, of whose length, type and device they are.</param>
    /// <param name="shard">What is held.</param>
    /// <param name="onCpu">Whether they live on the CPU wherever the buffer does.</param>
    public Moments(Tensor like, Shard shard, bool onCpu = false)
    {
        _length = like.numel();
        Shard = shard;
        Ranges = shard.Ranges(_length);
        var held = Ranges.Sum(range => range.Length);
        var device = onCpu ? CPU : like.device;
        First = zeros([held], dtype: like.dtype, device: device).DetachFromDisposeScope();
        Second = zeros([held], dtype: like.dtype, device: device).DetachFromDisposeScope();
    }

    /// <summary>What is held.</summary>
    public Shard Shard { get; }

    /// <summary>The ranges of the flat buffers that are held, in the order in which they lie here.</summary>
    public ImmutableArray<BufferRange> Ranges { get; }

    /// <summary>Running mean of the gradient, [held]; laid out like the flat buffers if everything is held.</summary>
    public Tensor First { get; }

    /// <summary>Running mean of the squared gradient, [held].</summary>
    public Tensor Second { get; }

    /// <summary>Whether all of a range is held in one piece.</summary>
    /// <param name="range">A range of the flat buffers.</param>
    public bool Holds(BufferRange range) => PlaceOf(range) is not null;

    /// <summary>Views of both moments of a range.</summary>
    /// <param name="range">A range of the flat buffers, which is held in one piece.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is not.</exception>
    public (Tensor First, Tensor Second) Of(BufferRange range)
    {
        var place = PlaceOf(range)
            ?? throw new ArgumentOutOfRangeException(nameof(range), $"{range.Length} elements from {range.From} on are not among the moments that are held, which are those of {string.Join(" and of ", Ranges.Select(held => $"{held.From} to {held.End}"))} out of {_length}.");
        return (First.narrow(0, place, range.Length), Second.narrow(0, place, range.Length));
    }

    /// <summary>Takes over what others have of the same ranges.</summary>
    /// <param name="other">Moments of the same buffers.</param>
    public void CopyFrom(Moments other)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        foreach (var range in Ranges)
        {
            foreach (var common in other.Ranges.Select(range.Intersect).Where(common => common.Length > 0))
            {
                var (first, second) = Of(common);
                var (otherFirst, otherSecond) = other.Of(common);
                first.copy_(otherFirst);
                second.copy_(otherSecond);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        First.Dispose();
        Second.Dispose();
    }

    private long? PlaceOf(BufferRange range)
    {
        var place = 0L;
        foreach (var held in Ranges)
        {
            if (held.Contains(range))
            {
                return place + range.From - held.From;
            }

            place += held.Length;
        }

        return null;
    }
}
