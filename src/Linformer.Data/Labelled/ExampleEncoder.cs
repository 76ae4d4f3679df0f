using Linformer.Data.Tokenizers;

namespace Linformer.Data.Labelled;

/// <summary>What is done with an example that is longer than the model reads.</summary>
public enum LongDocuments
{
    /// <summary>It is an error.</summary>
    Error,

    /// <summary>The end of the text is left out; of a pair, that of the text that is the longer one then, token by token.</summary>
    Truncate,

    /// <summary>The model reads windows of the text that overlap, and what it says of them is averaged.</summary>
    Windows,
}

/// <summary>
/// Makes the rows that a model reads of an example: <c>&lt;s&gt; a &lt;/s&gt;</c>, or <c>&lt;s&gt; a &lt;/s&gt;&lt;/s&gt; b &lt;/s&gt;</c> of a
/// pair, as RoBERTa has them. A function of the example and the settings alone.
/// </summary>
public sealed class ExampleEncoder
{
    private const int Marks = 2;
    private const int PairMarks = 4;

    private readonly int _begin;
    private readonly int _end;
    private readonly LongDocuments _rule;
    private readonly int _stride;
    private readonly int _mostWindows;

    /// <summary>Makes an encoder.</summary>
    /// <param name="special">The tokenizer's special tokens.</param>
    /// <param name="length">The longest row, n, special tokens among them; at least 8.</param>
    /// <param name="rule">What is done with longer examples.</param>
    /// <param name="windowStride">Tokens from the beginning of a window to that of the next; null for half a window.</param>
    /// <param name="mostWindows">Windows of an example; what lies behind the last of them is left out.</param>
    /// <exception cref="BadDataException">The tokenizer has no special tokens, or a number is out of range.</exception>
    public ExampleEncoder(SpecialTokens special, int length, LongDocuments rule, int? windowStride = null, int mostWindows = 16)
    {
        ArgumentNullException.ThrowIfNull(special);
        if (length < 8)
        {
            throw new BadDataException($"model.sequenceLength is {length}; classification needs at least 8.");
        }

        _end = special.Separator ?? special.Begin ?? throw new BadDataException("The tokenizer has neither <s> nor </s>, with which the text of an example begins and ends.");
        _begin = special.Begin ?? _end;
        Length = length;
        _rule = rule;
        _stride = windowStride ?? ((length - Marks) / 2);
        _mostWindows = mostWindows;
        if (_stride < 1 || _stride > length - Marks || mostWindows < 1)
        {
            throw new BadDataException($"Windows of {length - Marks} tokens that begin every {_stride} tokens, at most {mostWindows} of them, are not possible: the stride is 1 to {length - Marks}, and the windows are 1 or more.");
        }
    }

    /// <summary>The longest row, n.</summary>
    public int Length { get; }

    /// <summary>Why an example cannot be encoded; null if it can.</summary>
    /// <param name="tokens">Its tokens, without special ones.</param>
    /// <param name="isPair">Whether it is a pair.</param>
    public string? WhyNot(int tokens, bool isPair)
    {
        var most = Length - (isPair ? PairMarks : Marks);
        return tokens <= most || _rule == LongDocuments.Truncate
            ? null
            : _rule == LongDocuments.Error
                ? $"has {tokens} tokens, and the model reads {most} of a text beside its special tokens; raise model.sequenceLength, or say what to do with classification.longDocuments: truncate or windows"
                : isPair ? $"is a pair of {tokens} tokens, and the model reads {most}; windows are for single texts, so choose classification.longDocuments: truncate" : null;
    }

    /// <summary>The rows of an example: one, or several windows.</summary>
    /// <param name="example">Its texts.</param>
    /// <exception cref="BadDataException">It is too long; see <see cref="WhyNot"/>.</exception>
    public IReadOnlyList<int[]> Encode(ExampleText example)
    {
        ArgumentNullException.ThrowIfNull(example);
        var (text, pair) = (example.Text, example.TextPair);
        if (WhyNot(text.Length + (pair?.Length ?? 0), pair is not null) is { } reason)
        {
            throw new BadDataException($"An example {reason}.");
        }

        if (pair is not null)
        {
            var (first, second) = Fit(text.Length, pair.Length, Length - PairMarks);
            return [[_begin, .. text.AsSpan(0, first), _end, _end, .. pair.AsSpan(0, second), _end]];
        }

        var most = Length - Marks;
        if (text.Length <= most || _rule == LongDocuments.Truncate)
        {
            return [Row(text.AsSpan(0, Math.Min(text.Length, most)))];
        }

        var rows = new List<int[]>();
        for (var start = 0; rows.Count < _mostWindows; start += _stride)
        {
            rows.Add(Row(text.AsSpan(start, Math.Min(most, text.Length - start))));
            if (start + most >= text.Length)
            {
                break;
            }
        }

        return rows;
    }

    private int[] Row(ReadOnlySpan<int> text) => [_begin, .. text, _end];

    // As many tokens of each as fit, taken from the longer one first; of equals from the second.
    private static (int First, int Second) Fit(int first, int second, int most)
    {
        var half = most / 2;
        if (first + second <= most)
        {
            return (first, second);
        }

        return first <= most - half ? (first, most - first) : second <= half ? (most - second, second) : (most - half, half);
    }
}
