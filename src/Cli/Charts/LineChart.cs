using System.Globalization;
using Linformer.Cli.Screens;

namespace Linformer.Cli.Charts;

/// <summary>
/// A chart of numbers by step, in braille characters: the means as a line, what lies between them and the least values as a band, marks,
/// and steps at which something changed as vertical lines. What cannot be drawn, such as NaN, breaks the line.
/// </summary>
public sealed record LineChart
{
    private const int LabelWidth = 8;
    private const int SmallestWidth = LabelWidth + 4;
    private const int SmallestHeight = 2;

    /// <summary>By step, in order; may be more than there is room for.</summary>
    public IReadOnlyList<ChartPoint> Points { get; init; } = [];

    /// <summary>Single values that stand out, by step, in order.</summary>
    public IReadOnlyList<(long Step, double Value)> Marks { get; init; } = [];

    /// <summary>Steps at which something changed.</summary>
    public IReadOnlyList<long> Boundaries { get; init; } = [];

    /// <summary>Whether the scale is logarithmic; then numbers that are not above 0 are left out.</summary>
    public bool Log { get; init; }

    /// <summary>What stands where there is nothing to draw.</summary>
    public string Empty { get; init; } = "nothing yet";

    /// <summary>The chart with its labels.</summary>
    /// <param name="width">Cells in a row.</param>
    /// <param name="height">Rows, the last of which is for the steps.</param>
    /// <returns>So many rows, none longer than the width; none at all where there is no room.</returns>
    public IReadOnlyList<ScreenLine> Draw(int width, int height)
    {
        if (width < SmallestWidth || height < SmallestHeight)
            return [];
        var grid = new BrailleGrid(width - LabelWidth, height - 1);
        var (first, last) = Steps();
        var columns = Columns(grid.Columns, first, last);
        var scale = ChartScale.Of(columns.SelectMany(column => column is { } c ? [c.Min, c.Mean, c.Max] : Array.Empty<double>()).Concat(Marks.Select(mark => mark.Value)), Log);
        if (scale is null)
            return [new ScreenLine().Add(Empty, Ink.Dim), .. Enumerable.Repeat(new ScreenLine(), height - 1)];
        DrawBand(grid, columns, scale);
        DrawLine(grid, columns, scale);
        foreach (var (step, value) in Marks)
        {
            if (scale.Fraction(value) is { } fraction)
                grid.Set(Column(step, first, last, grid.Columns), Row(fraction, grid), Ink.Mark);
        }

        return Label(grid, scale, first, last, width, height);
    }

    /// <summary>Numbers as a line of blocks of eight heights; what is not finite is left blank.</summary>
    /// <param name="values">In order.</param>
    /// <param name="width">Cells; of more numbers the newest are shown.</param>
    public static string Spark(IReadOnlyList<double> values, int width)
    {
        const string Blocks = "▁▂▃▄▅▆▇█";
        var shown = values.Skip(Math.Max(0, values.Count - Math.Max(0, width))).ToList();
        return ChartScale.Of(shown, log: false) is { } scale
            ? string.Concat(shown.Select(value => scale.Fraction(value) is { } fraction ? Blocks[Math.Min((int)(fraction * Blocks.Length), Blocks.Length - 1)] : ' '))
            : new string(' ', shown.Count);
    }

    private (long First, long Last) Steps()
    {
        var (first, last) = Points.Count > 0 ? (Points[0].Step, Points[^1].Step) : (long.MaxValue, long.MinValue);
        if (Marks.Count > 0)
            (first, last) = (Math.Min(first, Marks[0].Step), Math.Max(last, Marks[^1].Step));
        return first > last ? (0, 0) : (first, last);
    }

    private static int Column(long step, long first, long last, int columns) =>
        last == first ? 0 : (int)Math.Clamp((decimal)(step - first) * (columns - 1) / (last - first), 0, columns - 1);

    private static int Row(double fraction, BrailleGrid grid) => (int)Math.Round(fraction * (grid.Rows - 1));

    // All that falls into a column of dots: the least, the mean of the finite means, the greatest. Null where nothing does.
    private (double Min, double Mean, double Max)?[] Columns(int count, long first, long last)
    {
        var columns = new (double Min, double Mean, double Max)?[count];
        var finite = new int[count];
        foreach (var point in Points)
        {
            var x = Column(point.Step, first, last, count);
            var (min, mean, max) = columns[x] ?? (double.NaN, double.NaN, double.NaN);
            if (double.IsFinite(point.Mean))
                mean = finite[x]++ == 0 ? point.Mean : mean + ((point.Mean / finite[x]) - (mean / finite[x]));
            columns[x] = (Lesser(min, point.Min), mean, -Lesser(-max, -point.Max));
        }

        return columns;
    }

    private static double Lesser(double a, double b) => !double.IsFinite(a) ? b : !double.IsFinite(b) ? a : Math.Min(a, b);

    private static void DrawBand(BrailleGrid grid, (double Min, double Mean, double Max)?[] columns, ChartScale scale)
    {
        for (var x = 0; x < columns.Length; x++)
        {
            if (columns[x] is not { } column || scale.Fraction(column.Min) is not { } bottom || scale.Fraction(column.Mean) is not { } top)
                continue;
            for (var y = Row(bottom, grid); y < Row(top, grid); y++)
                grid.Set(x, y, Ink.Band);
        }
    }

    private static void DrawLine(BrailleGrid grid, (double Min, double Mean, double Max)?[] columns, ChartScale scale)
    {
        (int X, int Y)? from = null;
        for (var x = 0; x < columns.Length; x++)
        {
            if (columns[x] is not { } column)
                continue;
            if (scale.Fraction(column.Mean) is not { } fraction)
            {
                from = null;
                continue;
            }

            var to = (X: x, Y: Row(fraction, grid));
            Connect(grid, from ?? to, to);
            from = to;
        }
    }

    private static void Connect(BrailleGrid grid, (int X, int Y) from, (int X, int Y) to)
    {
        var length = Math.Max(Math.Abs(to.X - from.X), Math.Abs(to.Y - from.Y));
        for (var i = 0; i < length; i++)
        {
            var share = (double)i / length;
            grid.Set(from.X + (int)Math.Round((to.X - from.X) * share), from.Y + (int)Math.Round((to.Y - from.Y) * share), Ink.Line);
        }

        grid.Set(to.X, to.Y, Ink.Line);
    }

    private List<ScreenLine> Label(BrailleGrid grid, ChartScale scale, long first, long last, int width, int height)
    {
        var boundaries = Boundaries.Where(step => step > first && step <= last)
            .Select(step => Column(step, first, last, grid.Columns) / BrailleGrid.Across).ToHashSet();
        var lines = new List<ScreenLine>();
        for (var row = 0; row < height - 1; row++)
        {
            var label = row == 0 ? Number(scale.At(1))
                : row == height - 2 ? Number(scale.At(0))
                : row == (height - 2) / 2 && height > 5 ? Number(scale.At(1 - ((double)row / (height - 2))))
                : "";
            var picture = grid.Line(row, x => boundaries.Contains(x) ? ('│', Ink.Dim) : (' ', Ink.Plain));
            lines.Add(new ScreenLine().Add($"{label,LabelWidth - 1} ", Ink.Dim).Add(picture).Fit(width));
        }

        var (left, right) = (first.ToString("#,0", CultureInfo.InvariantCulture), last.ToString("#,0", CultureInfo.InvariantCulture));
        var gap = width - LabelWidth - left.Length - right.Length;
        var steps = first == last || gap < 1 ? right : left + new string(' ', gap) + right;
        lines.Add(new ScreenLine().Add(new string(' ', LabelWidth) + steps, Ink.Dim).Fit(width));
        return lines;
    }

    // In at most seven characters.
    private static string Number(double value) => Math.Abs(value) switch
    {
        0 => "0",
        >= 1e7 or < 1e-4 => value.ToString("0.0e0", CultureInfo.InvariantCulture),
        >= 10_000 => value.ToString("0", CultureInfo.InvariantCulture),
        >= 100 => value.ToString("0.0", CultureInfo.InvariantCulture),
        >= 1 => value.ToString("0.000", CultureInfo.InvariantCulture),
        _ => value.ToString("0.0000", CultureInfo.InvariantCulture),
    };
}
