namespace Linformer.Bench;

/// <summary>A table of results, for a terminal, for a page and for programs.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Columns">The heads of its columns; the first names the rows.</param>
/// <param name="Rows">The rows, as long as the heads.</param>
public sealed record BenchTable(string Title, IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<string>> Rows)
{
    /// <summary>What has to be known to read it.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Writes it with aligned columns.</summary>
    /// <param name="output">Where to.</param>
    public void WriteText(TextWriter output)
    {
        var widths = Columns.Select((column, at) => Rows.Select(row => row[at].Length).Append(column.Length).Max()).ToList();
        output.WriteLine(Title);
        foreach (var row in Rows.Prepend(Columns))
        {
            var cells = row.Select((cell, at) => at == 0 ? cell.PadRight(widths[at]) : cell.PadLeft(widths[at]));
            output.WriteLine($"  {string.Join("  ", cells).TrimEnd()}");
        }

        foreach (var note in Notes)
        {
            output.WriteLine($"  {note}");
        }
    }

    /// <summary>Writes it as Markdown.</summary>
    /// <param name="output">Where to.</param>
    public void WriteMarkdown(TextWriter output)
    {
        output.WriteLine($"**{Title}**");
        output.WriteLine();
        output.WriteLine($"| {string.Join(" | ", Columns)} |");
        output.WriteLine($"|---|{string.Concat(Columns.Skip(1).Select(_ => "---:|"))}");
        foreach (var row in Rows)
        {
            output.WriteLine($"| {string.Join(" | ", row)} |");
        }

        output.WriteLine();
        foreach (var note in Notes)
        {
            output.WriteLine(note);
            output.WriteLine();
        }
    }
}
