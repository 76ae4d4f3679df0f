namespace Linformer.Data;

/// <summary>
/// Sequences of n tokens packed from documents one after the other with a separator token between two documents
/// (RoBERTa's full sentences): a sequence may hold the end of one document and the beginning of the next. Safe for many threads.
/// </summary>
public sealed class SequenceSet
{
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

        var span = Array.BinarySearch(_packedStarts, position);
        span = span >= 0 ? span : ~span - 1;
        for (var rest = tokens[..length]; !rest.IsEmpty; span++)
        {
            var isLast = span == _packedStarts.Length - 1;
            var textEnd = isLast ? Tokens : _packedStarts[span + 1] - 1;
            var part = rest[..(int)Math.Min(rest.Length, textEnd - position)];
            _stream.Read(_textStarts[span] + (position - _packedStarts[span]), part);
            rest = rest[part.Length..];
            position += part.Length;
            if (!rest.IsEmpty)
            {
                rest[0] = _separator;
                rest = rest[1..];
                position++;
            }
        }

        return length;
    }
}
