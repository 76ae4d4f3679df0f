using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Linformer.Data.Corpora;

namespace Linformer.Data.Labelled;

/// <summary>Reads the labelled examples of a corpus's files as a stream.</summary>
public static class ExampleReader
{
    private const int ShownNames = 20;
    private const int ShownCharacters = 60;

    /// <summary>Reads the examples of a part of a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="layout">Where texts and labels are.</param>
    /// <param name="start">
    /// Where the part begins, in bytes: with the first line that begins there or later, so that adjoining parts together give each example
    /// once. 0 for compressed files, folders and comma-separated values.
    /// </param>
    /// <param name="end">Where the part ends. Compressed files, files of folders, and comma-separated values are read whole.</param>
    /// <param name="consumed">Told how many bytes of the file were read, each time that some were.</param>
    /// <returns>The examples, in order.</returns>
    /// <exception cref="BadDataException">The file is not of this layout; the message has the file, the line and what is expected.</exception>
    public static IEnumerable<LabelledText> Read(
        CorpusFile file, ExampleLayout layout, long start = 0, long end = long.MaxValue, Action<long>? consumed = null) =>
        ReadPlaced(file, layout, start, end, consumed).Select(placed => placed.Example);

    /// <summary>Where an example of a file is, for people: the file, and the line if it has several.</summary>
    /// <param name="file">The file.</param>
    /// <param name="layout">Where texts and labels are.</param>
    /// <param name="offset">Where the example begins, as <see cref="ReadPlaced"/> has it.</param>
    internal static string PlaceOf(CorpusFile file, ExampleLayout layout, long offset) =>
        layout.Format == ExampleFormat.Folders ? file.Path : $"{file.Path}, line {LineReader.NumberOf(file, offset)}";

    /// <summary><see cref="Read"/>, with where each example begins in the file's text, in bytes.</summary>
    internal static IEnumerable<(long Offset, LabelledText Example)> ReadPlaced(
        CorpusFile file, ExampleLayout layout, long start = 0, long end = long.MaxValue, Action<long>? consumed = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(layout);
        CheckFormat(file, layout);
        return layout.Format switch
        {
            ExampleFormat.Folders => [(0, ReadFile(file, layout, consumed))],
            ExampleFormat.JsonLines => ReadLines(file, layout, LineReader.Read(file, start, end, consumed), (_, line) => OfJson(line.Span, layout)),
            ExampleFormat.Csv => ReadLines(
                file, layout, CsvRecords.Read(file, consumed), OfTable(file, layout, CsvRecords.Read(file, consumed: null), CsvRecords.Columns, "commas")),
            _ => ReadLines(
                file, layout, LineReader.Read(file, start, end, consumed), OfTable(file, layout, LineReader.Read(file, 0, long.MaxValue, consumed: null), Columns, "tabs")),
        };
    }

    /// <summary>Checks that a file can be of a layout.</summary>
    /// <param name="file">The file.</param>
    /// <param name="layout">The layout.</param>
    /// <exception cref="BadDataException">Its name has another ending.</exception>
    public static void CheckFormat(CorpusFile file, ExampleLayout layout)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(layout);
        var (expected, ending, what) = layout.Format switch
        {
            ExampleFormat.Folders => (CorpusFormat.Text, ".txt", "texts in folders"),
            ExampleFormat.JsonLines => (CorpusFormat.Jsonl, ".jsonl", "lines of JSON"),
            ExampleFormat.Csv => (CorpusFormat.Csv, ".csv", "comma-separated values"),
            _ => (CorpusFormat.Table, ".tsv", "tables"),
        };
        if (file.Format != expected)
        {
            throw new BadDataException($"{file.Path}: corpus.examples says that the files are {what}, which end in {ending} or {ending}.gz.");
        }
    }

    /// <summary>The class of a file of folders: the name of the folder that it is in.</summary>
    /// <param name="path">The file's path, with slashes.</param>
    public static string FolderOf(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return path.Split('/') is [.., var folder, _] ? folder : string.Empty;
    }

    private static LabelledText ReadFile(CorpusFile file, ExampleLayout layout, Action<long>? consumed)
    {
        var label = FolderOf(file.Path);
        if (WhyNotLabel(label, layout) is { } reason)
        {
            throw new BadDataException($"{file.Path}: the folder's name is the class, and {reason}.");
        }

        var bytes = new ArrayBufferWriter<byte>();
        foreach (var chunk in CorpusReader.Read(file, separator: null, consumed: consumed))
        {
            bytes.Write(chunk.Utf8.Span);
        }

        return new LabelledText(label, Encoding.UTF8.GetString(bytes.WrittenSpan), null);
    }

    private static IEnumerable<(long Offset, LabelledText Example)> ReadLines(
        CorpusFile file, ExampleLayout layout, IEnumerable<(long Offset, ReadOnlyMemory<byte> Line)> lines, Func<long, ReadOnlyMemory<byte>, LabelledText?> read)
    {
        foreach (var (offset, line) in lines)
        {
            if (!line.Span.ContainsAnyExcept(" \t\r"u8))
            {
                continue;
            }

            LabelledText? example = null;
            try
            {
                example = read(offset, line);
                if (example is { } read1 && WhyNotLabel(read1.Label, layout) is { } reason)
                {
                    throw new BadDataException($"{reason}.");
                }
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException or BadDataException)
            {
                if (!layout.SkipsBadLines)
                {
                    throw new BadDataException($"{PlaceOf(file, layout, offset)}: {e.Message}", e);
                }

                example = null;
            }

            if (example is { } good)
            {
                yield return (offset, good);
            }
        }
    }

    // The first line has the columns' names, whichever part of the file is read.
    private static Func<long, ReadOnlyMemory<byte>, LabelledText?> OfTable(
        CorpusFile file,
        ExampleLayout layout,
        IEnumerable<(long Offset, ReadOnlyMemory<byte> Line)> lines,
        Func<ReadOnlyMemory<byte>, string[]> columnsOf,
        string marks)
    {
        var names = Names(file, lines, columnsOf);

        if (names is null)
        {
            return (_, _) => null;
        }

        if (names.Length < 2)
        {
            throw new BadDataException($"{file.Path}, line 1: has one column; the first line must have the names of at least two columns, parted by {marks}.");
        }

        var (text, pair, label) = (Find(layout.Text), layout.TextPair is null ? -1 : Find(layout.TextPair), Find(layout.Label));
        return (offset, line) =>
        {
            if (offset < LineReader.LongestMark)
            {
                return null;
            }

            var columns = columnsOf(line);
            return columns.Length == names.Length
                ? new LabelledText(columns[label].Trim(), columns[text], pair < 0 ? null : columns[pair])
                : throw new BadDataException($"has {columns.Length} column{(columns.Length == 1 ? "" : "s")}; the first line names {names.Length}: {Shown(names)}.");
        };

        int Find(string name)
        {
            var index = Array.IndexOf(names, name);
            if (index >= 0 && index != Array.LastIndexOf(names, name))
            {
                throw new BadDataException($"{file.Path}, line 1: names the column \"{name}\" twice, so that nobody knows which is meant.");
            }

            if (index >= 0 || (int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 && (index = number - 1) < names.Length))
            {
                return index;
            }

            throw new BadDataException($"{file.Path}, line 1: has no column \"{name}\"; the first line must have the columns' names, parted by {marks}, and has: {Shown(names)}.");
        }
    }

    // Those of the first line; null for an empty file.
    private static string[]? Names(
        CorpusFile file, IEnumerable<(long Offset, ReadOnlyMemory<byte> Line)> lines, Func<ReadOnlyMemory<byte>, string[]> columnsOf)
    {
        try
        {
            foreach (var (_, line) in lines)
            {
                return columnsOf(line);
            }

            return null;
        }
        catch (BadDataException e) when (!e.Message.StartsWith(file.Path, StringComparison.Ordinal))
        {
            throw new BadDataException($"{file.Path}, line 1: {e.Message}", e);
        }
    }

    private static string[] Columns(ReadOnlyMemory<byte> line) => Encoding.UTF8.GetString(line.Span).TrimEnd('\r').Split('\t');

    private static LabelledText? OfJson(ReadOnlySpan<byte> line, ExampleLayout layout)
    {
        var json = new Utf8JsonReader(line);
        using var document = JsonDocument.ParseValue(ref json);
        if (json.Read() || document.RootElement is not { ValueKind: JsonValueKind.Object } root)
        {
            throw new BadDataException("expected one JSON object.");
        }

        return new LabelledText(Label(root, layout), Text(root, layout.Text), layout.TextPair is { } pair ? Text(root, pair) : null);
    }

    private static string Text(JsonElement root, string name) => !root.TryGetProperty(name, out var value)
        ? throw new BadDataException($"the object has no field \"{name}\"; it has: {Shown([.. root.EnumerateObject().Select(field => field.Name)])}.")
        : value.ValueKind == JsonValueKind.String ? value.GetString()! : throw new BadDataException($"the field \"{name}\" is not a string.");

    private static string Label(JsonElement root, ExampleLayout layout)
    {
        if (!root.TryGetProperty(layout.Label, out var value))
        {
            throw new BadDataException($"the object has no field \"{layout.Label}\"; it has: {Shown([.. root.EnumerateObject().Select(field => field.Name)])}.");
        }

        return value.ValueKind switch
        {
            JsonValueKind.String => value.GetString()!.Trim(),
            JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
            _ => throw new BadDataException($"the field \"{layout.Label}\" is neither a string nor a number."),
        };
    }

    private static string? WhyNotLabel(string label, ExampleLayout layout)
    {
        if (label.Length == 0)
        {
            return layout.IsNumber ? "the label is empty; a number is expected" : "the label is empty; the name of a class is expected";
        }

        if (layout.IsNumber)
        {
            return double.TryParse(label, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
                ? null
                : $"the label \"{Short(label)}\" is not a finite number";
        }

        return layout.Classes is { } classes && !classes.Contains(label, StringComparer.Ordinal)
            ? $"the label \"{Short(label)}\" is none of corpus.examples.classes: {Shown(classes)}"
            : null;
    }

    /// <summary>Names for a message: not too many, and not too long.</summary>
    internal static string Shown(IReadOnlyList<string> names) =>
        names.Count == 0 ? "none" : string.Join(", ", names.Take(ShownNames).Select(Short)) + (names.Count > ShownNames ? ", …" : "");

    private static string Short(string text) => text.Length <= ShownCharacters ? text : text[..ShownCharacters] + "…";
}
