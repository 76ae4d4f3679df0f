namespace Linformer.Data;

/// <summary>
/// Reads sequences in a shuffled order: neighbours, which the order keeps near to each other in time, are read at once and kept until
/// they are asked for. For one thread at a time.
/// </summary>
/// <remarks>
/// Where most of what is read is never asked for, as in a rank among many, of which each takes its own sequences, they are read
/// one by one, and so are long ones.
/// </remarks>
public sealed class SequenceRuns
{
    private const int RunTokens = 1 << 15;

    // As 32-bit integers.
    private const long MostBytes = 32 << 20;

    // One sequence in so many must be asked for.
    private const int LargestWaste = 8;

    private readonly SequenceSet _sequences;
    private readonly int _runLength;
    private readonly Dictionary<long, Run> _runs = [];
    private readonly int _mostRuns;
    private long _clock;
    private long _loaded;
    private long _used;

    /// <summary>Makes one that has read nothing.</summary>
    /// <param name="sequences">The sequences.</param>
    /// <param name="order">The order in which they will be asked for.</param>
    public SequenceRuns(SequenceSet sequences, SampleOrder order)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        ArgumentNullException.ThrowIfNull(order);
        _sequences = sequences;
        _runLength = Math.Clamp(RunTokens / sequences.SequenceLength, 1, order.ShuffleBlock);

        // A window of the order, with blocks of which it has the beginning or the end.
        var runsOfBlock = (order.ShuffleBlock + _runLength - 1) / _runLength;
        _mostRuns = (int)Math.Min((SampleOrder.WindowBlocks + 2L) * (runsOfBlock + 1), int.MaxValue);
        if ((long)_mostRuns * _runLength * sequences.SequenceLength * sizeof(int) > MostBytes)
        {
            _runLength = 1;
        }
    }

    /// <summary>Reads a sequence: see <see cref="SequenceSet.Read"/>.</summary>
    /// <param name="index">Its number.</param>
    /// <param name="tokens">[n]: its beginning receives the token ids.</param>
    /// <returns>How many tokens the sequence has.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sequence.</exception>
    /// <exception cref="BadDataException">A shard cannot be read or is damaged.</exception>
    public int Read(long index, Span<int> tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, _sequences.Count);
        var (number, place) = Math.DivRem(index, _runLength);
        if (!_runs.TryGetValue(number, out var run))
        {
            if (_runLength == 1 || IsWasteful)
            {
                return _sequences.Read(index, tokens);
            }

            run = Load(number);
        }

        run.LastUsed = ++_clock;
        _used++;
        var n = _sequences.SequenceLength;
        var sequence = run.Tokens.AsSpan(0, run.Count)[(int)(place * n)..];
        sequence = sequence[..Math.Min(n, sequence.Length)];
        sequence.CopyTo(tokens);
        return sequence.Length;
    }

    // What is still kept may be asked for yet.
    private bool IsWasteful => _loaded - ((long)_mostRuns * _runLength) > _used * LargestWaste;

    private Run Load(long number)
    {
        var run = new Run();
        if (_runs.Count == _mostRuns)
        {
            var (oldest, unused) = _runs.MinBy(entry => entry.Value.LastUsed);
            _runs.Remove(oldest);
            run = unused;
        }

        if (run.Tokens.Length == 0)
        {
            run.Tokens = new int[_runLength * _sequences.SequenceLength];
        }

        run.Count = _sequences.ReadRun(number * _runLength, run.Tokens);
        _runs.Add(number, run);
        _loaded += _runLength;
        return run;
    }

    private sealed class Run
    {
        public int[] Tokens { get; set; } = [];

        public int Count { get; set; }

        public long LastUsed { get; set; }
    }
}
