using Linformer.Data.Tokenizers;

namespace Linformer.Data.Corpora;

/// <summary>
/// Finds where a part of an uncompressed file really begins and ends, given where it should. The place is a function of the
/// file and the bound alone, so the end of one part is the beginning of the next, whoever reads them.
/// </summary>
internal static class SegmentBounds
{
    private const int WindowBytes = 1 << 16;

    // The longest UTF-8 character; what precedes a cut must be seen whole.
    private const int Overlap = 4;

    private delegate int Finder(ReadOnlySpan<byte> window, int from);

    public static (long Start, long End) Find(CorpusFile file, SeparatorLine? separator, long start, long end)
    {
        try
        {
            using var handle = file.Open();
            var size = RandomAccess.GetLength(handle);
            if (size != file.Bytes)
            {
                throw new BadDataException($"{file.Path}: has {size} bytes now, but had {file.Bytes} when the corpus was planned.");
            }

            return (Place(start), Place(end));

            long Place(long bound) => bound <= 0 ? 0 : bound >= size ? size : file.Format switch
            {
                CorpusFormat.Jsonl or CorpusFormat.Table => LineStart(bound),
                _ when separator is not null => AfterSeparator(separator, LineStart(bound)),
                _ => Search(bound, FindSafeCut),
            };

            long LineStart(long bound) => Math.Min(size, 1 + Search(bound - 1, FindNewline));

            // From the beginning of a line: behind the first separator.
            long AfterSeparator(SeparatorLine separator, long line)
            {
                var scanner = separator.NewScanner();
                var newline = Search(line, (window, from) =>
                {
                    for (var i = from; i < window.Length; i++)
                    {
                        if (scanner.Take(window[i]))
                        {
                            return i;
                        }
                    }

                    return -1;
                });
                return Math.Min(newline + 1, size);
            }

            long Search(long bound, Finder find)
            {
                var window = new byte[WindowBytes];
                var position = bound;
                while (position < size)
                {
                    var first = Math.Max(0, position - Overlap);
                    var read = RandomAccess.Read(handle, window, first);
                    if (read <= position - first)
                    {
                        break;
                    }

                    var found = find(window.AsSpan(0, read), (int)(position - first));
                    if (found >= 0)
                    {
                        return first + found;
                    }

                    position = first + read;
                }

                return size;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable.As($"{file.Path}: cannot be read: {e.Message}", e);
        }
    }

    private static int FindNewline(ReadOnlySpan<byte> window, int from)
    {
        var newline = window[from..].IndexOf((byte)'\n');
        return newline < 0 ? -1 : from + newline;
    }

    private static int FindSafeCut(ReadOnlySpan<byte> window, int from)
    {
        for (var i = from; i < window.Length; i++)
        {
            if (WordSplitter.IsSafeCut(window, i))
            {
                return i;
            }
        }

        return -1;
    }
}
