using System.Text.Json;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Corpora;

/// <summary>A piece of a document: long ones come in several, cut where white space follows other text, so that
/// encoding the pieces one by one gives the same tokens.</summary>
/// <param name="Utf8">The text, valid until the next piece is asked for; may be empty.</param>
/// <param name="StartsDocument">Whether a document begins with it.</param>
/// <param name="EndsDocument">Whether the document ends with it.</param>
public readonly record struct TextChunk(ReadOnlyMemory<byte> Utf8, bool StartsDocument, bool EndsDocument);

/// <summary>
/// Reads the documents of corpus files as a stream, in memory of about a megabyte (up to 64 MiB for a line of JSON, or for
/// text without any place to cut, beyond which it is an error). A byte order mark and empty documents are left out.
/// </summary>
public static class CorpusReader
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>Reads a part of a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="separator">
    /// The line that ends a document in a text file, spaces and tabs around it aside; empty for any blank line; null if each
    /// file is one document. Such lines are no part of a document.
    /// </param>
    /// <param name="start">
    /// Where the part begins, in bytes. Parts begin and end at the first fitting place at or after their bounds (white space in
    /// a document, a line, a document), so that adjoining parts together give the file exactly. 0 for compressed files.
    /// </param>
    /// <param name="end">Where the part ends. Compressed files are read whole.</param>
    /// <param name="consumed">Told how many bytes of the file were read, each time that some were.</param>
    /// <returns>The pieces, in order.</returns>
    /// <exception cref="BadDataException">The file cannot be read, is binary, not UTF-8, cut-off gzip, or not JSON lines with a text.</exception>
    public static IEnumerable<TextChunk> Read(
        CorpusFile file, string? separator, long start = 0, long end = long.MaxValue, Action<long>? consumed = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        var line = separator is null ? null : new SeparatorLine(separator);
        (start, end) = file.IsCompressed ? (0, long.MaxValue) : SegmentBounds.Find(file, line, start, end);
        return start >= end ? [] : ReadFound(file, line, start, end, consumed);
    }

    private static IEnumerable<TextChunk> ReadFound(CorpusFile file, SeparatorLine? separator, long start, long end, Action<long>? consumed)
    {
        using var buffer = Open(file, start, end, consumed);
        buffer.Fill(string.Empty);
        if (start == 0 && buffer.Text.Span.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]))
        {
            buffer.Consume(3);
        }

        var chunks = file.Format switch
        {
            CorpusFormat.Jsonl => ReadJsonLines(file, buffer),
            _ when separator is not null => ReadSeparated(buffer, separator),
            _ => ReadOneDocument(buffer, start == 0, file.IsCompressed || end == file.Bytes),
        };
        foreach (var chunk in chunks)
        {
            yield return chunk;
        }
    }

    private static ScanBuffer Open(CorpusFile file, long start, long end, Action<long>? consumed)
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

    private static IEnumerable<TextChunk> ReadOneDocument(ScanBuffer buffer, bool starts, bool ends)
    {
        while (!buffer.AtEnd)
        {
            var cut = buffer.Text.Length < ChunkBytes ? 0 : LastSafeCut(buffer.Text.Span);
            if (cut > 0)
            {
                yield return new TextChunk(buffer.Text[..cut], starts, EndsDocument: false);
                starts = false;
                buffer.Consume(cut);
            }

            buffer.Fill("text without white space");
        }

        if (!buffer.Text.IsEmpty)
        {
            yield return new TextChunk(buffer.Text, starts, ends);
        }
    }

    private static IEnumerable<TextChunk> ReadSeparated(ScanBuffer buffer, SeparatorLine separator)
    {
        var starts = true;
        while (!buffer.AtEnd || !buffer.Text.IsEmpty)
        {
            if (starts && separator.LeadingLength(buffer.Text.Span, buffer.AtEnd) is var leading and > 0)
            {
                buffer.Consume(leading);
            }
            else if (separator.TryFind(buffer.Text.Span, buffer.AtEnd, out var length, out var next))
            {
                yield return new TextChunk(buffer.Text[..length], starts, EndsDocument: true);
                starts = true;
                buffer.Consume(next);
            }
            else if (buffer.AtEnd)
            {
                yield return new TextChunk(buffer.Text[..SeparatorLine.TrimmedLength(buffer.Text.Span)], starts, EndsDocument: true);
                buffer.Consume(buffer.Text.Length);
            }
            else
            {
                var cut = buffer.Text.Length < ChunkBytes ? 0 : LastSafeCut(buffer.Text.Span[..SeparatorLine.CuttableLength(buffer.Text.Span)]);
                if (cut > 0)
                {
                    yield return new TextChunk(buffer.Text[..cut], starts, EndsDocument: false);
                    starts = false;
                    buffer.Consume(cut);
                }

                buffer.Fill("text without white space");
            }
        }
    }

    private static IEnumerable<TextChunk> ReadJsonLines(CorpusFile file, ScanBuffer buffer)
    {
        while (!buffer.AtEnd || !buffer.Text.IsEmpty)
        {
            var newline = buffer.Text.Span.IndexOf((byte)'\n');
            if (newline < 0 && !buffer.AtEnd)
            {
                buffer.Fill("the line");
                continue;
            }

            var line = newline < 0 ? buffer.Text : buffer.Text[..newline];
            if (line.Span.ContainsAnyExcept(" \t\r"u8))
            {
                byte[] text;
                try
                {
                    text = TextOf(line.Span);
                }
                catch (Exception e) when (e is JsonException or InvalidOperationException or BadDataException)
                {
                    throw new BadDataException($"{file.Path}, line {LineNumber(file, buffer.Offset)}: {e.Message}", e);
                }

                if (text.Length > 0)
                {
                    yield return new TextChunk(text, StartsDocument: true, EndsDocument: true);
                }
            }

            buffer.Consume(line.Length + (newline < 0 ? 0 : 1));
        }
    }

    private static byte[] TextOf(ReadOnlySpan<byte> line)
    {
        var json = new Utf8JsonReader(line);
        json.Read();
        if (json.TokenType != JsonTokenType.StartObject)
        {
            throw new BadDataException($"expected a JSON object, found {json.TokenType switch { JsonTokenType.StartArray => "an array", JsonTokenType.String => "a string", _ => "another value" }}.");
        }

        byte[]? text = null;
        while (json.Read())
        {
            if (json.TokenType == JsonTokenType.PropertyName && json.CurrentDepth == 1 && json.ValueTextEquals("text"u8))
            {
                json.Read();
                if (json.TokenType != JsonTokenType.String)
                {
                    throw new BadDataException("the field \"text\" is not a string.");
                }

                text = new byte[json.ValueSpan.Length];
                Array.Resize(ref text, json.CopyString(text));
            }
        }

        return text ?? throw new BadDataException("the object has no field \"text\".");
    }

    private static int LastSafeCut(ReadOnlySpan<byte> text)
    {
        for (var i = text.Length - 1; i > 0; i--)
        {
            if (WordSplitter.IsSafeCut(text, i))
            {
                return i;
            }
        }

        return 0;
    }

    // Counted only when something is wrong, by reading the file again from its beginning.
    internal static long LineNumber(CorpusFile file, long offset)
    {
        using var source = new FileStream(file.Open(), FileAccess.Read);
        using Stream text = file.IsCompressed ? Gzip.Open(source) : source;
        var line = 1L;
        var bytes = new byte[1 << 16];
        while (offset > 0 && text.Read(bytes, 0, (int)Math.Min(bytes.Length, offset)) is var read and > 0)
        {
            line += bytes.AsSpan(0, read).Count((byte)'\n');
            offset -= read;
        }

        return line;
    }
}
