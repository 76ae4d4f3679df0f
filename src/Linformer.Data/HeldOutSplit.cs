namespace Linformer.Data;

/// <summary>
/// Divides a stream of tokens into training and held-out text. Both sides are lists of spans of the stream, ascending and
/// without overlap; the sequence length plays no part, so that perplexities at different lengths are of the same text.
/// </summary>
internal static class HeldOutSplit
{
    // Below this the share that is held out by chance varies too much, or is nothing.
    private const double FewestHeldOutDocuments = 20;
    private const long StretchTokens = 2048;
    private const long MostStretches = 64;

    public readonly record struct Span(long Start, long Length);

    public static (List<Span> Training, List<Span> HeldOut) Divide(long[] documentEnds, ulong[] documentHashes, double share)
    {
        var documents = SpansOf(documentEnds);
        if (share == 0)
        {
            return (documents.ConvertAll(document => document.Span), []);
        }

        if (documents.Count * share >= FewestHeldOutDocuments)
        {
            // Equal documents have equal hashes, so no held-out document is trained on under another number.
            var held = documents.ToLookup(document => documentHashes[document.Index] < share * ulong.MaxValue, document => document.Span);
            var heldShare = (double)held[true].Sum(span => span.Length) / documentEnds[^1];
            if (heldShare >= share / 2 && heldShare <= share * 2)
            {
                return ([.. held[false]], [.. held[true]]);
            }
        }

        return DivideByStretches(documents.ConvertAll(document => document.Span), documentEnds[^1], share);
    }

    private static List<(Span Span, int Index)> SpansOf(long[] documentEnds)
    {
        var spans = new List<(Span, int)>(documentEnds.Length);
        var start = 0L;
        for (var i = 0; i < documentEnds.Length; i++)
        {
            if (documentEnds[i] > start)
            {
                spans.Add((new Span(start, documentEnds[i] - start), i));
                start = documentEnds[i];
            }
        }

        return spans;
    }

    // Stretches of equal length in the middle of equal parts of the stream.
    private static (List<Span> Training, List<Span> HeldOut) DivideByStretches(List<Span> documents, long tokens, double share)
    {
        var wanted = Math.Clamp((long)Math.Round(tokens * share), Math.Min(1, tokens - 1), tokens - 1);
        var count = Math.Clamp(wanted / StretchTokens, 1, MostStretches);
        var length = wanted / count;
        List<Span> training = [], heldOut = [];
        foreach (var document in documents)
        {
            var position = document.Start;
            var end = document.Start + document.Length;
            while (position < end)
            {
                // The part that the position is in, and that part's stretch.
                var part = Math.Min(count - 1, (long)((Int128)position * count / tokens));
                var stretchStart = (long)((((Int128)part * 2) + 1) * tokens / (count * 2)) - (length / 2);
                var stretchEnd = stretchStart + length;
                var partEnd = part == count - 1 ? tokens : CeilingOfPart(part + 1);
                var (to, side) = position < stretchStart ? (stretchStart, training)
                    : position < stretchEnd ? (stretchEnd, heldOut)
                    : (partEnd, training);
                to = Math.Min(to, end);
                Append(side, new Span(position, to - position), document.Start);
                position = to;
            }
        }

        return (training, heldOut);

        // The first position whose part is the given one.
        long CeilingOfPart(long part) => (long)((((Int128)part * tokens) + count - 1) / count);
    }

    // What follows on without a gap in the same document is one span: no separator goes between.
    private static void Append(List<Span> spans, Span span, long documentStart)
    {
        if (spans.Count > 0 && spans[^1].Start + spans[^1].Length == span.Start && span.Start > documentStart)
        {
            spans[^1] = spans[^1] with { Length = spans[^1].Length + span.Length };
        }
        else
        {
            spans.Add(span);
        }
    }
}
