using System.Text;
using Linformer.Cli.Screens;

namespace Linformer.Cli.Charts;

/// <summary>Dots in braille characters: two columns and four rows of them in each cell.</summary>
/// <param name="width">Cells in a row.</param>
/// <param name="height">Rows of cells.</param>
internal sealed class BrailleGrid(int width, int height)
{
    /// <summary>Dots in a cell, across.</summary>
    public const int Across = 2;

    /// <summary>Dots in a cell, down.</summary>
    public const int Down = 4;

    private const int Blank = 0x2800;

    // Of a cell's dots, by column and row from the top.
    private static readonly byte[,] Bits = { { 0x01, 0x02, 0x04, 0x40 }, { 0x08, 0x10, 0x20, 0x80 } };

    private readonly byte[,] _dots = new byte[height, width];
    private readonly Ink[,] _inks = new Ink[height, width];

    /// <summary>Columns of dots.</summary>
    public int Columns => width * Across;

    /// <summary>Rows of dots.</summary>
    public int Rows => height * Down;

    /// <summary>Sets a dot. Where a cell has dots of several inks, all are of the ink that was set last.</summary>
    /// <param name="x">From the left.</param>
    /// <param name="y">From the bottom.</param>
    /// <param name="ink">Its ink.</param>
    public void Set(int x, int y, Ink ink)
    {
        var row = Rows - 1 - y;
        _dots[row / Down, x / Across] |= Bits[x % Across, row % Down];
        _inks[row / Down, x / Across] = ink;
    }

    /// <summary>A row of cells as text: <paramref name="empty"/> tells what stands in a cell without dots.</summary>
    /// <param name="row">From the top.</param>
    /// <param name="empty">By the cell's number.</param>
    public ScreenLine Line(int row, Func<int, (char Glyph, Ink Ink)> empty)
    {
        var line = new ScreenLine();
        var (run, of) = (new StringBuilder(), Ink.Plain);
        for (var x = 0; x < width; x++)
        {
            var (glyph, ink) = _dots[row, x] == 0 ? empty(x) : ((char)(Blank + _dots[row, x]), _inks[row, x]);
            if (ink != of)
            {
                line = line.Add(run.ToString(), of);
                run.Clear();
                of = ink;
            }

            run.Append(glyph);
        }

        return line.Add(run.ToString(), of);
    }
}
