using System.Text;
using Linformer.Data.Corpora;

namespace Linformer.Data.Labelled;

/// <summary>
/// Reads the records of a file of comma-separated values (RFC 4180). A field in quotation marks may hold commas, line ends and, doubled,
/// quotation marks; so where a record begins is known only from the file's beginning, and files are read whole.
/// </summary>
internal static class CsvRecords
{
    private const byte Quote = (byte)'"';
    private const byte Comma = (byte)',';
    private const byte LineFeed = (byte)'\n';
    private const byte CarriageReturn = (byte)'\r';

    /// <summary>Reads records without their ends. Memory of a record is valid until the next is asked for.</summary>
    /// <param name="file">The file.</param>
    /// <param name="consumed">Told how many bytes of the file were read, each time that some were.</param>
    /// <exception cref="BadDataException">The file cannot be read, is binary, not UTF-8, cut-off gzip, has too long a record, or a quotation mark that opens is never closed.</exception>
    public static IEnumerable<(long Offset, ReadOnlyMemory<byte> Record)> Read(CorpusFile file, Action<long>? consumed)
    {
        if (!file.IsCompressed)
        {
            SegmentBounds.Find(file, separator: null, 0, file.Bytes);
        }

        using var buffer = LineReader.Open(file, 0, long.MaxValue, consumed);
        LineReader.SkipMark(buffer);
        while (!buffer.AtEnd || !buffer.Text.IsEmpty)
        {
            var (length, isQuoted) = LengthOf(buffer.Text.Span);
            if (length < 0 && !buffer.AtEnd)
            {
                buffer.Fill("the record");
                continue;
            }

            if (length < 0 && isQuoted)
            {
                throw new BadDataException($"{file.Path}, line {LineReader.NumberOf(file, buffer.Offset)}: a quotation mark opens a field of the record that begins here, and none closes it before the end of the file.");
            }

            var record = length < 0 ? buffer.Text : buffer.Text[..length];
            yield return (buffer.Offset, record);
            buffer.Consume(record.Length + (length < 0 ? 0 : 1));
        }
    }

    /// <summary>The fields of a record.</summary>
    /// <param name="record">Its bytes, without the line's end.</param>
    /// <exception cref="BadDataException">A quotation mark stands where none may.</exception>
    public static string[] Columns(ReadOnlyMemory<byte> record)
    {
        var bytes = record.Span;
        bytes = bytes is [.., CarriageReturn] ? bytes[..^1] : bytes;
        var columns = new List<string>();
        for (var at = 0; at <= bytes.Length;)
        {
            at += 1 + (at < bytes.Length && bytes[at] == Quote ? Quoted(bytes[at..], columns) : Plain(bytes[at..], columns));
        }

        return [.. columns];
    }

    // Up to the line feed, -1 if there is none, and whether a field in quotation marks is open at the end.
    private static (int Length, bool IsQuoted) LengthOf(ReadOnlySpan<byte> text)
    {
        var (isQuoted, begins) = (false, true);
        for (var i = 0; i < text.Length; i++)
        {
            var next = text[i..].IndexOfAny(Quote, Comma, LineFeed);
            if (next < 0)
            {
                break;
            }

            begins &= next == 0;
            i += next;
            if (isQuoted)
            {
                // A doubled one closes and opens again.
                isQuoted = text[i] != Quote;
                begins = !isQuoted;
            }
            else if (text[i] == LineFeed)
            {
                return (i, false);
            }
            else
            {
                isQuoted = text[i] == Quote && begins;
                begins = text[i] == Comma;
            }
        }

        return (-1, isQuoted);
    }

    // The bytes of the field: up to the comma or the end.
    private static int Plain(ReadOnlySpan<byte> bytes, List<string> columns)
    {
        var comma = bytes.IndexOf(Comma);
        var field = comma < 0 ? bytes : bytes[..comma];
        if (field.Contains(Quote))
        {
            throw new BadDataException($"column {columns.Count + 1} has a quotation mark inside; a field with one stands in quotation marks, and has it doubled.");
        }

        columns.Add(Encoding.UTF8.GetString(field));
        return field.Length;
    }

    private static int Quoted(ReadOnlySpan<byte> bytes, List<string> columns)
    {
        var text = new StringBuilder();
        var at = 1;
        while (true)
        {
            var quote = bytes[at..].IndexOf(Quote);
            if (quote < 0)
            {
                throw new BadDataException($"column {columns.Count + 1} has a quotation mark at its beginning and none at its end.");
            }

            text.Append(Encoding.UTF8.GetString(bytes.Slice(at, quote)));
            at += quote + 1;
            if (at == bytes.Length || bytes[at] == Comma)
            {
                columns.Add(text.ToString());
                return at;
            }

            if (bytes[at] != Quote)
            {
                throw new BadDataException($"column {columns.Count + 1} goes on behind its closing quotation mark; inside of a field it has to be doubled.");
            }

            text.Append('"');
            at++;
        }
    }
}
