using System.Collections.Immutable;
using System.Text;
using Spectre.Console.Rendering;

namespace Linformer.Cli.Screens;

/// <summary>How a piece of text stands out on a screen.</summary>
public enum Ink
{
    /// <summary>As the terminal has it.</summary>
    Plain,

    /// <summary>Less than the rest.</summary>
    Dim,

    /// <summary>A heading or a name.</summary>
    Strong,

    /// <summary>The line of a chart, or what goes well.</summary>
    Line,

    /// <summary>The band of a chart.</summary>
    Band,

    /// <summary>A mark in a chart.</summary>
    Mark,

    /// <summary>Something to look at.</summary>
    Warning,

    /// <summary>Something that is wrong.</summary>
    Error,

    /// <summary>What the keys act on.</summary>
    Selected,
}

/// <summary>A piece of a line.</summary>
/// <param name="Text">Without anything that steers a terminal.</param>
/// <param name="Ink">How it looks.</param>
public readonly record struct ScreenPiece(string Text, Ink Ink);

/// <summary>
/// A line of a screen. Whatever text it is made of: what would steer a terminal is taken out, and nothing is taken for markup.
/// </summary>
/// <param name="Pieces">From left to right.</param>
public sealed record ScreenLine(ImmutableArray<ScreenPiece> Pieces)
{
    /// <summary>An empty line.</summary>
    public ScreenLine()
        : this([])
    {
    }

    /// <summary>The line without its looks.</summary>
    public string Text => string.Concat(Pieces.Select(piece => piece.Text));

    /// <summary>How many cells of the terminal it takes; some characters take two, others none.</summary>
    public int Width => Pieces.Sum(piece => Cells(piece.Text));

    /// <summary>The line with a text after it.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="ink">How it looks.</param>
    public ScreenLine Add(string text, Ink ink = Ink.Plain)
    {
        text = PlainText.Of(text);
        if (text.Length == 0)
            return this;
        return Pieces is [.., var last] && last.Ink == ink
            ? new ScreenLine(Pieces.SetItem(Pieces.Length - 1, new ScreenPiece(last.Text + text, ink)))
            : new ScreenLine(Pieces.Add(new ScreenPiece(text, ink)));
    }

    /// <summary>The line with another after it.</summary>
    public ScreenLine Add(ScreenLine other) => other.Pieces.Aggregate(this, (line, piece) => line.Add(piece.Text, piece.Ink));

    /// <summary>The line with blanks after it up to a width.</summary>
    /// <param name="width">In cells.</param>
    public ScreenLine Pad(int width) => Width < width ? Add(new string(' ', width - Width)) : this;

    /// <summary>The line in another look.</summary>
    public ScreenLine In(Ink ink) => new ScreenLine().Add(Text, ink);

    /// <summary>As much of the line as there is room for; where it is cut, an ellipsis tells so.</summary>
    /// <param name="width">In cells.</param>
    public ScreenLine Fit(int width)
    {
        if (Width <= width)
            return this;
        var (line, room) = (new ScreenLine(), width - 1);
        foreach (var piece in Pieces)
        {
            var part = Prefix(piece.Text, room);
            line = line.Add(part, piece.Ink);
            room -= Cells(part);
            if (part.Length < piece.Text.Length)
                break;
        }

        return width > 0 ? line.Add("…", Ink.Dim) : line;
    }

    /// <summary>The cells that a text takes.</summary>
    public static int Cells(string text) => text.All(char.IsAscii) ? text.Length : new Segment(text).CellCount();

    private static string Prefix(string text, int width)
    {
        var (prefix, used) = (new StringBuilder(), 0);
        foreach (var rune in text.EnumerateRunes())
        {
            used += Cells(rune.ToString());
            if (used > width)
                break;
            prefix.Append(rune);
        }

        return prefix.ToString();
    }
}
