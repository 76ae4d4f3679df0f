using Spectre.Console;
using Spectre.Console.Rendering;

namespace Linformer.Cli.Views;

/// <summary>
/// A table for people: as wide as the terminal at most; where it is not a terminal, or a narrow one, a line per row, which the
/// terminal wraps.
/// </summary>
/// <param name="headings">Of the columns; one that begins with &gt; is aligned to the right. The last column may wrap.</param>
internal sealed class TextTable(params string[] headings)
{
    private const int NoLimit = 1_000_000;
    private const int NarrowestLastColumn = 16;
    private const int Gap = 2;

    private readonly List<string[]> _rows = [];

    /// <summary>Adds a row.</summary>
    /// <param name="cells">A text for each column.</param>
    public void Add(params string[] cells) => _rows.Add([.. cells.Select(Printable)]);

    /// <summary>Writes the table.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="width">Columns of the terminal; null where there is none.</param>
    public void Write(TextWriter output, int? width)
    {
        var table = new Table { Border = TableBorder.None, ShowHeaders = true };
        foreach (var (index, heading) in headings.Index())
        {
            var right = heading.StartsWith('>');
            var column = new TableColumn(new Text(right ? heading[1..] : heading))
            {
                NoWrap = index < headings.Length - 1,
                Alignment = right ? Justify.Right : Justify.Left,
                Padding = new Padding(0, 0, index < headings.Length - 1 ? Gap : 0, 0),
            };
            table.AddColumn(column);
        }

        foreach (var row in _rows)
            table.AddRow(row.Select(cell => (IRenderable)new Text(cell)));
        WriteTrimmed(table, output, Fits(width) ? width : null);
    }

    // What others wrote, such as the target of a refused call, must not steer the terminal of the one who reads it.
    private static string Printable(string cell) => cell.Any(char.IsControl) ? string.Concat(cell.Select(c => char.IsControl(c) ? (char.IsWhiteSpace(c) ? ' ' : '?') : c)) : cell;

    // All columns but the last one keep their widths.
    private bool Fits(int? width)
    {
        var fixedWidth = headings.SkipLast(1).Index().Sum(
            column => _rows.Select(row => row[column.Index].Length).Append(column.Item.TrimStart('>').Length).Max() + Gap);
        var last = _rows.Select(row => row[^1].Length).Append(headings[^1].Length).Max();
        return fixedWidth + Math.Min(last, NarrowestLastColumn) <= width;
    }

    // Cells are padded to the width of their column, the last ones too.
    private static void WriteTrimmed(Table table, TextWriter output, int? width)
    {
        using var text = new StringWriter { NewLine = "\n" };
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(text),
        });
        console.Profile.Width = width ?? NoLimit;
        console.Write(table);
        foreach (var line in text.ToString().TrimEnd().Split('\n'))
            output.WriteLine(line.TrimEnd());
    }
}
