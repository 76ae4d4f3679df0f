namespace Linformer.Cli.Screens;

/// <summary>A table on a screen: a line of headings, then the rows, one line each.</summary>
/// <param name="headings">Of the columns; one that begins with &gt; is aligned to the right.</param>
public sealed class ScreenTable(params string[] headings)
{
    private const int Gap = 2;

    private readonly List<ScreenLine[]> _rows = [];

    /// <summary>How many rows there are.</summary>
    public int Count => _rows.Count;

    /// <summary>Adds a row.</summary>
    /// <param name="cells">A text for each column.</param>
    public void Add(params string[] cells) => Add([.. cells.Select(cell => new ScreenLine().Add(cell))]);

    /// <summary>Adds a row.</summary>
    /// <param name="cells">For each column.</param>
    public void Add(ScreenLine[] cells) => _rows.Add(cells);

    /// <summary>Headings and rows. Of more rows than there is room for, the last line tells how many are missing.</summary>
    /// <param name="width">Cells in a line.</param>
    /// <param name="height">Lines.</param>
    /// <param name="selected">The row that the keys act on, which is always shown; null for none.</param>
    public IReadOnlyList<ScreenLine> Lines(int width, int height, int? selected = null)
    {
        if (height < 1)
            return [];
        var widths = headings.Select((heading, column) => _rows.Select(row => row[column].Width).Append(heading.TrimStart('>').Length).Max()).ToArray();
        var head = Line([.. headings.Select(heading => new ScreenLine().Add(heading.TrimStart('>'), Ink.Dim))], widths).Fit(width);
        var room = height - 1;
        var shown = _rows.Count <= room ? _rows.Count : Math.Max(0, room - 1);
        var from = Math.Clamp((selected ?? 0) - shown + 1, 0, Math.Max(0, _rows.Count - shown));
        var lines = new List<ScreenLine> { head };
        for (var row = from; row < from + shown; row++)
        {
            var line = Line(_rows[row], widths).Fit(width);
            lines.Add(row == selected ? line.Pad(width).In(Ink.Selected) : line);
        }

        if (shown < _rows.Count && room > 0)
            lines.Add(new ScreenLine().Add($"… {_rows.Count - shown} more", Ink.Dim).Fit(width));
        return lines;
    }

    private ScreenLine Line(ScreenLine[] cells, int[] widths)
    {
        var line = new ScreenLine();
        for (var column = 0; column < cells.Length; column++)
        {
            if (column > 0)
                line = line.Add(new string(' ', Gap));
            var blank = widths[column] - cells[column].Width;
            line = headings[column].StartsWith('>') ? line.Add(new string(' ', blank)).Add(cells[column])
                : column == cells.Length - 1 ? line.Add(cells[column]) : line.Add(cells[column]).Add(new string(' ', blank));
        }

        return line;
    }
}
