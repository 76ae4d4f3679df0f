using Linformer.Data.Corpora;

namespace Linformer.Data.Labelled;

/// <summary>Reads the lines of a part of a file, with the place of each in the file's text.</summary>
internal static class LineReader
{
    /// <summary>The bytes of a byte order mark: the first line begins before or behind it, all others later.</summary>
    public const int LongestMark = 4;

    /// <summary>Reads lines without their ends. Memory of a line is valid until the next is asked for.</summary>
    /// <param name="file">The file.</param>
    /// <param name="start">Where the part begins: with the first line that begins there or later. 0 for compressed files.</param>
    /// <param name="end">Where the part ends. Compressed files are read whole.</param>
    /// <param name="consumed">Told how many bytes of the file were read, each time that some were.</param>
    /// <exception cref="BadDataException">The file cannot be read, is binary, not UTF-8, cut-off gzip, or has too long a line.</exception>
    public static IEnumerable<(long Offset, ReadOnlyMemory<byte> Line)> Read(CorpusFile file, long start, long end, Action<long>? consumed)
    {
        (start, end) = file.IsCompressed ? (0, long.MaxValue) : SegmentBounds.Find(file, separator: null, start, end);
        return start >= end ? [] : ReadFound(file, start, end, consumed);
    }

    /// <summary>The number of the line that begins at a place; found by reading the file from its beginning.</summary>
    public static long NumberOf(CorpusFile file, long offset) => CorpusReader.LineNumber(file, offset);

    private static IEnumerable<(long Offset, ReadOnlyMemory<byte> Line)> ReadFound(CorpusFile file, long start, long end, Action<long>? consumed)
    {
        using var buffer = Open(file, start, end, consumed);
        if (start == 0)
        {
            SkipMark(buffer);
        }
        else
        {
            buffer.Fill(string.Empty);
        }

        while (!buffer.AtEnd || !buffer.Text.IsEmpty)
        {
            var newline = buffer.Text.Span.IndexOf((byte)'\n');
            if (newline < 0 && !buffer.AtEnd)
            {
                buffer.Fill("the line");
                continue;
            }

            var line = newline < 0 ? buffer.Text : buffer.Text[..newline];
            yield return (buffer.Offset, line);
            buffer.Consume(line.Length + (newline < 0 ? 0 : 1));
        }
    }

    /// <summary>Fills a window that has read nothing yet, and drops a byte order mark.</summary>
    public static void SkipMark(ScanBuffer buffer)
    {
        buffer.Fill(string.Empty);
        if (buffer.Text.Span.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]))
        {
            buffer.Consume(3);
        }
    }

    /// <summary>Opens a window over a file.</summary>
    /// <exception cref="BadDataException">It cannot be read.</exception>
    public static ScanBuffer Open(CorpusFile file, long start, long end, Action<long>? consumed)
    {
        try
        {
            return new ScanBuffer(file, start, end, consumed);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable.As($"{file.Path}: cannot be read: {e.Message}", e);
        }
    }
}
