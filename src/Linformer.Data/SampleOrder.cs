using Linformer.Model;

namespace Linformer.Data;

/// <summary>
/// The order in which sequences are seen: another shuffle in each epoch, a function of (seed, epoch, place) alone, computed in
/// constant memory.
/// </summary>
/// <remarks>
/// Two levels: blocks of neighbouring sequences are shuffled over the whole corpus, then the sequences within a window of
/// blocks. Any <c>WindowBlocks * ShuffleBlock</c> places in a row from a multiple of that number on
/// read from at most <c>WindowBlocks + 2</c> runs of neighbouring sequences.
/// </remarks>
public sealed class SampleOrder
{
    /// <summary>The version of the order, stored with a job: another one would give another order for the same seed.</summary>
    public const int Version = 1;

    /// <summary>The default number of neighbouring sequences in a block.</summary>
    public const int DefaultShuffleBlock = 64;

    /// <summary>The number of blocks in a window.</summary>
    public const int WindowBlocks = 16;

    private readonly CounterRandom _random;

    /// <summary>Makes an order.</summary>
    /// <param name="count">The number of sequences, N; at least 1.</param>
    /// <param name="seed">The job's seed.</param>
    /// <param name="shuffleBlock">The number of neighbouring sequences in a block, at least 1 (a full shuffle, read one by one).</param>
    /// <exception cref="BadDataException">An argument is out of range.</exception>
    public SampleOrder(long count, long seed, int shuffleBlock = DefaultShuffleBlock)
    {
        if (count is < 1 or > 1L << 62)
        {
            throw new BadDataException($"An order of {count} sequences is not possible; there must be at least 1.");
        }

        if (shuffleBlock < 1)
        {
            throw new BadDataException($"corpus.shuffleBlock is {shuffleBlock}; it must be at least 1.");
        }

        (Count, ShuffleBlock) = (count, shuffleBlock);
        _random = CounterRandom.For(seed, "sample-order");
    }

    /// <summary>The number of sequences, N.</summary>
    public long Count { get; }

    /// <summary>The number of neighbouring sequences in a block.</summary>
    public int ShuffleBlock { get; }

    /// <summary>The number of sequence <paramref name="j"/> of step <paramref name="step"/> over the whole training, i = s·B + j.</summary>
    /// <param name="step">The step, s, from 0.</param>
    /// <param name="globalBatch">The sequences per step, B.</param>
    /// <param name="j">The sequence within the step, from 0 to B - 1.</param>
    /// <returns>The sample's number.</returns>
    public static long SampleNumber(long step, int globalBatch, int j) => checked((step * globalBatch) + j);

    /// <summary>The epoch of a sample and its place in the epoch's order.</summary>
    /// <param name="sample">The sample's number, i.</param>
    /// <returns>i div N and i mod N.</returns>
    public (long Epoch, long Place) Locate(long sample)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sample);
        return Math.DivRem(sample, Count);
    }

    /// <summary>The sequence that a sample is.</summary>
    /// <param name="sample">The sample's number, i.</param>
    /// <returns>A sequence from 0 to N - 1.</returns>
    public long SequenceOf(long sample)
    {
        var (epoch, place) = Locate(sample);
        return PlaceToSequence(epoch, place);
    }

    /// <summary>The sequence at a place of an epoch; over all places of an epoch each sequence comes once.</summary>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="place">The place, from 0 to N - 1.</param>
    /// <returns>A sequence from 0 to N - 1.</returns>
    public long PlaceToSequence(long epoch, long place)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        ArgumentOutOfRangeException.ThrowIfNegative(place);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(place, Count);
        var random = _random.Derive((ulong)epoch);
        return BlockOrder(random, WithinWindow(random, place));
    }

    private long WithinWindow(CounterRandom random, long place)
    {
        var windowSize = (long)WindowBlocks * ShuffleBlock;
        var (window, offset) = Math.DivRem(place, windowSize);
        var start = window * windowSize;
        return start + KeyedPermutation.Apply(random.Derive("window").Derive((ulong)window), Math.Min(windowSize, Count - start), offset);
    }

    // The full blocks one after the other in their shuffled order, and the corpus's last, short one somewhere between them.
    private long BlockOrder(CounterRandom random, long position)
    {
        var (fullBlocks, rest) = Math.DivRem(Count, ShuffleBlock);
        var shortStart = (long)random.Derive("short-block").BelowAt(0, (ulong)fullBlocks + 1) * ShuffleBlock;
        if (position >= shortStart && position < shortStart + rest)
        {
            return (fullBlocks * ShuffleBlock) + (position - shortStart);
        }

        var (place, offset) = Math.DivRem(position < shortStart ? position : position - rest, ShuffleBlock);
        return (KeyedPermutation.Apply(random.Derive("blocks"), fullBlocks, place) * ShuffleBlock) + offset;
    }
}
