using System.Buffers;

namespace Linformer.Data;

/// <summary>
/// Sequences of n tokens packed from documents one after the other with a separator token between two documents
/// (RoBERTa's full sentences): a sequence may hold the end of one document and the beginning of the next. Safe for many threads.
/// </summary>
public sealed class SequenceSet
{
    // Tokens between two spans up to which both are read at once.
    private const int LargestGap = 4096;

    private readonly TokenStream _stream;
    private readonly int _separator;

    // Span i of the text lies at _textStarts[i] in the stream of tokens, and at _packedStarts[i] in the packed one.
    private readonly long[] _textStarts;
    private readonly long[] _packedStarts;

    internal SequenceSet(TokenStream stream, List<HeldOutSplit.Span> spans, int n, int separator)
    {
        (_stream, SequenceLength, _separator) = (stream, n, separator);
        _textStarts = new long[spans.Count];
        _packedStarts = new long[spans.Count];
        var packed = 0L;
        for (var i = 0; i < spans.Count; i++)
        {
            packed += i > 0 ? 1 : 0;
            _textStarts[i] = spans[i].Start;
            _packedStarts[i] = packed;
            packed += spans[i].Length;
        }

        Tokens = packed;
    }

    /// <summary>The length of a sequence, n; the last one may be shorter.</summary>
    public int SequenceLength { get; }

    /// <summary>The number of tokens, separators included.</summary>
    public long Tokens { get; }

    /// <summary>The number of sequences.</summary>
    public long Count => (Tokens + SequenceLength - 1) / SequenceLength;

    /// <summary>Reads a sequence.</summary>
    /// <param name="index">Its number, from 0 to <see cref="Count"/> - 1.</param>
    /// <param name="tokens">[n]: its beginning receives the token ids; the rest is left as it is, for the caller to pad.</param>
    /// <returns>How many tokens the sequence has: n, or for the last one from 1 to n.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sequence.</exception>
    /// <exception cref="ArgumentException"><paramref name="tokens"/> is shorter than the sequence.</exception>
    /// <exception cref="BadDataException">A shard cannot be read or is damaged.</exception>
    public int Read(long index, Span<int> tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        var position = index * SequenceLength;
        var length = (int)Math.Min(SequenceLength, Tokens - position);
        if (tokens.Length < length)
        {
            throw new ArgumentException($"There is room for {tokens.Length} tokens; sequence {index} has {length}.", nameof(tokens));
        }

        ReadPacked(position, tokens[..length]);
        return length;
    }

    /// <summary>Reads neighbouring sequences at once.</summary>
    /// <param name="first">The number of the first one.</param>
    /// <param name="tokens">Receives the tokens of as many sequences as fit; less when they end.</param>
    /// <returns>How many tokens there are.</returns>
    internal int ReadRun(long first, Span<int> tokens)
    {
        var position = first * SequenceLength;
        var length = (int)Math.Min(tokens.Length, Tokens - position);
        ReadPacked(position, tokens[..length]);
        return length;
    }

    // Spans that lie near to each other in the stream are read with what is between them, then moved to their places.
    private void ReadPacked(long position, Span<int> tokens)
    {
        var span = Array.BinarySearch(_packedStarts, position);
        span = span >= 0 ? span : ~span - 1;
        while (!tokens.IsEmpty)
        {
            var start = _textStarts[span] + (position - _packedStarts[span]);
            var (last, end) = (span, EndOfText(span, position, tokens.Length));
            var packedEnd = position + (end - start);
            while (packedEnd + 1 < position + tokens.Length && _textStarts[last + 1] - end <= LargestGap && _textStarts[last + 1] - start <= 2L * tokens.Length)
            {
                last++;
                packedEnd = _packedStarts[last];
                end = EndOfText(last, packedEnd, (int)(position + tokens.Length - packedEnd));
                packedEnd += end - _textStarts[last];
            }

            ReadSpans(span, last, start, end, tokens[..(int)(packedEnd - position)]);
            tokens = tokens[(int)(packedEnd - position)..];
            position = packedEnd;
            span = last + 1;
            if (!tokens.IsEmpty)
            {
                tokens[0] = _separator;
                tokens = tokens[1..];
                position++;
            }
        }
    }

    // Where the text of a span, from a packed position on, ends in the stream, if no more than some tokens are wanted.
    private long EndOfText(int span, long position, int wanted)
    {
        var packedEnd = span == _packedStarts.Length - 1 ? Tokens : _packedStarts[span + 1] - 1;
        return _textStarts[span] + Math.Min(packedEnd, position + wanted) - _packedStarts[span];
    }

    // The spans from one to another, from a place in the first one to a place in the last one, in one read.
    private void ReadSpans(int first, int last, long start, long end, Span<int> packed)
    {
        if (first == last)
        {
            _stream.Read(start, packed);
            return;
        }

        var buffer = ArrayPool<int>.Shared.Rent((int)(end - start));
        try
        {
            var text = buffer.AsSpan(0, (int)(end - start));
            _stream.Read(start, text);
            for (var span = first; span <= last; span++)
            {
                var from = span == first ? start : _textStarts[span];
                var length = span == last ? end - from : _packedStarts[span + 1] - 1 - _packedStarts[span] - (from - _textStarts[span]);
                text.Slice((int)(from - start), (int)length).CopyTo(packed);
                packed = packed[(int)length..];
                if (span < last)
                {
                    packed[0] = _separator;
                    packed = packed[1..];
                }
            }
        }
        finally
        {
            ArrayPool<int>.Shared.Return(buffer);
        }
    }
}
