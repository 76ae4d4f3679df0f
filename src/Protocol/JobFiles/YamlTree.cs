using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Linformer.Protocol;

/// <summary>A value in a YAML or JSON text, with its place.</summary>
internal abstract record YamlNode(int Line, int Column);

/// <summary>A text or number; <paramref name="Plain"/> is one without quotes.</summary>
internal sealed record YamlScalar(string Text, bool Plain, int Line, int Column) : YamlNode(Line, Column);

/// <summary>A list.</summary>
internal sealed record YamlList(IReadOnlyList<YamlNode> Items, int Line, int Column) : YamlNode(Line, Column);

/// <summary>A mapping, its keys in the order of the text; they may occur twice.</summary>
internal sealed record YamlMapping(IReadOnlyList<(YamlScalar Key, YamlNode Value)> Entries, int Line, int Column) : YamlNode(Line, Column);

/// <summary>The text is not one that a job file can be written in.</summary>
internal sealed class YamlTreeException(string message, int line, int column) : Exception(message)
{
    /// <summary>Line from 1.</summary>
    public int Line { get; } = line;

    /// <summary>Column from 1.</summary>
    public int Column { get; } = column;
}

/// <summary>
/// Reads YAML (of which JSON is a part) into a tree with places. It takes only what a job file needs: one document,
/// no anchors, aliases or tags, and little nesting, so that no text can make it grow or run long.
/// </summary>
internal sealed class YamlTree
{
    private const int MaxDepth = 16;

    private readonly Parser _parser;
    private int _depth;

    private YamlTree(string text) => _parser = new Parser(new Scanner(new StringReader(text), skipComments: true));

    /// <summary>Reads a text.</summary>
    /// <returns>Its only document, or null if it has none.</returns>
    /// <exception cref="YamlTreeException">It is not valid, or uses what job files do without.</exception>
    public static YamlNode? Read(string text)
    {
        CheckCharacters(text);
        var tree = new YamlTree(text);
        try
        {
            return tree.ReadDocument();
        }
        catch (YamlException exception)
        {
            var (line, column) = Within(text, (int)exception.Start.Line, (int)exception.Start.Column);
            throw new YamlTreeException($"is not valid YAML or JSON: {exception.Message.TrimEnd('.')}", line, column);
        }
        catch (Exception exception) when (exception is InvalidOperationException or ArgumentException)
        {
            // What YamlDotNet throws on some texts that have no document in them, such as a lone "...".
            var place = tree._parser.Current?.Start ?? Mark.Empty;
            throw new YamlTreeException("is not valid YAML or JSON", (int)place.Line, (int)place.Column);
        }
    }

    // What misses at the end is missed by YamlDotNet in the line after the last.
    private static (int Line, int Column) Within(string text, int line, int column)
    {
        var lines = 1 + text.Count(character => character == '\n');
        return line <= lines ? (line, column) : (lines, text.Length - text.LastIndexOf('\n'));
    }

    private static void CheckCharacters(string text)
    {
        var (line, lineStart) = (1, 0);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\n')
                (line, lineStart) = (line + 1, i + 1);
            else if (char.IsControl(text[i]) && text[i] is not ('\r' or '\t'))
                throw new YamlTreeException($"has the control character \\u{(int)text[i]:x4}: is it a text file?", line, i - lineStart + 1);
        }
    }

    private YamlNode? ReadDocument()
    {
        Next<StreamStart>();
        if (Next<ParsingEvent>() is not DocumentStart)
            return null;
        var root = ReadNode(Next<ParsingEvent>());
        Next<DocumentEnd>();
        return Next<ParsingEvent>() is StreamEnd ? root : throw Refuse("has a second document; a job file has one");
    }

    private YamlNode ReadNode(ParsingEvent start)
    {
        var (line, column) = ((int)start.Start.Line, (int)start.Start.Column);
        if (start is AnchorAlias || start is NodeEvent { Anchor.IsEmpty: false })
            throw Refuse("has an anchor or alias (& or *), which job files do without; a text that starts so needs quotes");
        if (start is NodeEvent { Tag: { IsEmpty: false, IsNonSpecific: false } })
            throw Refuse("has a tag (!), which job files do without; a text that starts so needs quotes");
        if (++_depth > MaxDepth)
            throw Refuse($"is nested more than {MaxDepth} deep");
        YamlNode node = start switch
        {
            Scalar scalar => new YamlScalar(scalar.Value, scalar.Style == ScalarStyle.Plain, line, column),
            SequenceStart => new YamlList(ReadItems(), line, column),
            MappingStart => new YamlMapping(ReadEntries(), line, column),
            _ => throw Refuse("is not valid YAML or JSON"),
        };
        _depth--;
        return node;
    }

    private List<YamlNode> ReadItems()
    {
        var items = new List<YamlNode>();
        for (var next = Next<ParsingEvent>(); next is not SequenceEnd; next = Next<ParsingEvent>())
            items.Add(ReadNode(next));
        return items;
    }

    private List<(YamlScalar Key, YamlNode Value)> ReadEntries()
    {
        var entries = new List<(YamlScalar Key, YamlNode Value)>();
        for (var next = Next<ParsingEvent>(); next is not MappingEnd; next = Next<ParsingEvent>())
        {
            var key = ReadNode(next) as YamlScalar ?? throw Refuse("has a field name that is not a text");
            entries.Add((key, ReadNode(Next<ParsingEvent>())));
        }
        return entries;
    }

    private T Next<T>()
        where T : ParsingEvent =>
        _parser.MoveNext() && _parser.Current is T next ? next : throw Refuse("is not valid YAML or JSON");

    private YamlTreeException Refuse(string message)
    {
        var place = _parser.Current?.Start ?? Mark.Empty;
        return new YamlTreeException(message, (int)place.Line, (int)place.Column);
    }
}
