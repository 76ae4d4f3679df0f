using System.Globalization;
using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Linformer.Cli.Drawing;

/// <summary>Draws the maps of layers and heads as a grid, a layer a row, with the tokens down the side.</summary>
internal sealed class AttentionMapDrawing
{
    private const double LabelHeight = 9;
    private const double CellWidth = 260;
    private const double LeastCellHeight = 220;
    private const double MostCellHeight = 900;
    private const double LabelMargin = 110;
    private const double TitleMargin = 70;
    private const double Gap = 0.12;

    private readonly IReadOnlyList<DrawnMap> _maps;
    private readonly IReadOnlyList<string> _rows;
    private readonly IReadOnlyList<string>? _columns;
    private readonly int[] _layers;
    private readonly int[] _heads;
    private readonly double _cellHeight;

    /// <summary>Plans the picture.</summary>
    /// <param name="maps">The cells, all of the same shape.</param>
    /// <param name="rows">What stands beside each row: the tokens.</param>
    /// <param name="columns">What stands below each column: the tokens of full attention; null for projected positions, which have no text.</param>
    public AttentionMapDrawing(IReadOnlyList<DrawnMap> maps, IReadOnlyList<string> rows, IReadOnlyList<string>? columns)
    {
        (_maps, _rows, _columns) = (maps, rows, columns);
        _layers = [.. maps.Select(map => map.Layer).Distinct().Order()];
        _heads = [.. maps.Select(map => map.Head).Distinct().Order()];
        _cellHeight = Math.Clamp(rows.Count * LabelHeight * 1.5, LeastCellHeight, MostCellHeight);
    }

    /// <summary>The picture's size in pixels.</summary>
    public (int Width, int Height) Size => (
        (int)(LabelMargin + (_heads.Length * CellWidth) + TitleMargin),
        (int)(TitleMargin + (_layers.Length * _cellHeight) + LabelMargin));

    /// <summary>The picture.</summary>
    /// <param name="title">What stands above it.</param>
    public PlotModel Build(string title)
    {
        var plot = new PlotModel { Title = title, TitleFontSize = 14, Background = OxyColors.White, PlotAreaBorderThickness = new OxyThickness(0) };
        plot.Axes.Add(new LinearColorAxis { Position = AxisPosition.Right, Palette = OxyPalettes.Viridis(256), Minimum = 0, Maximum = Largest(), Title = "weight", FontSize = 10 });
        foreach (var map in _maps)
        {
            AddCell(plot, map, Array.IndexOf(_layers, map.Layer), Array.IndexOf(_heads, map.Head));
        }

        return plot;
    }

    private void AddCell(PlotModel plot, DrawnMap map, int row, int column)
    {
        var key = string.Create(CultureInfo.InvariantCulture, $"{map.Layer}.{map.Head}");
        // The first layer at the top, and the first token at the top of its cell.
        var bottom = 1 - ((row + 1.0) / _layers.Length);
        plot.Axes.Add(new LinearAxis
        {
            Key = "y" + key,
            Position = AxisPosition.Left,
            StartPosition = bottom + ((1 - Gap) / _layers.Length),
            EndPosition = bottom,
            Minimum = -0.5,
            Maximum = _rows.Count - 0.5,
            MajorStep = StepFor(_rows.Count, _cellHeight),
            MinorTickSize = 0,
            FontSize = LabelHeight - 1,
            LabelFormatter = place => Label(_rows, place),
            IsAxisVisible = column == 0,
        });
        var columns = map.Weights.GetLength(1);
        plot.Axes.Add(new LinearAxis
        {
            Key = "x" + key,
            Position = AxisPosition.Bottom,
            StartPosition = (double)column / _heads.Length,
            EndPosition = (column + 1 - Gap) / _heads.Length,
            Minimum = -0.5,
            Maximum = columns - 0.5,
            MajorStep = _columns is null ? Math.Max(1, columns / 4) : StepFor(columns, CellWidth),
            MinorTickSize = 0,
            FontSize = LabelHeight - 1,
            Angle = _columns is null ? 0 : -90,
            LabelFormatter = _columns is null ? place => place.ToString("0", CultureInfo.InvariantCulture) : place => Label(_columns, place),
            IsAxisVisible = row == _layers.Length - 1,
        });
        plot.Series.Add(new HeatMapSeries
        {
            XAxisKey = "x" + key,
            YAxisKey = "y" + key,
            X0 = 0,
            X1 = columns - 1,
            Y0 = 0,
            Y1 = _rows.Count - 1,
            Interpolate = false,
            RenderMethod = HeatMapRenderMethod.Bitmap,
            Data = Transposed(map.Weights),
        });
        plot.Annotations.Add(new TextAnnotation
        {
            XAxisKey = "x" + key,
            YAxisKey = "y" + key,
            Text = string.Create(CultureInfo.InvariantCulture, $"layer {map.Layer}, head {map.Head}"),
            TextPosition = new DataPoint((columns - 1) / 2.0, -0.5),
            TextVerticalAlignment = VerticalAlignment.Bottom,
            ClipByXAxis = false,
            ClipByYAxis = false,
            StrokeThickness = 0,
            FontSize = 10,
        });
    }

    private double Largest()
    {
        var largest = 0.0;
        foreach (var weight in _maps.SelectMany(map => map.Weights.Cast<double>()))
        {
            largest = Math.Max(largest, weight);
        }

        return largest > 0 ? largest : 1;
    }

    // As many labels as there is room for.
    private static double StepFor(int count, double pixels) => Math.Max(1, Math.Ceiling(count * LabelHeight * 1.2 / (pixels * (1 - Gap))));

    private static string Label(IReadOnlyList<string> labels, double place) =>
        place == Math.Floor(place) && place >= 0 && place < labels.Count ? labels[(int)place] : "";

    // A heat map's first index goes to the right.
    private static double[,] Transposed(double[,] weights)
    {
        var (rows, columns) = (weights.GetLength(0), weights.GetLength(1));
        var turned = new double[columns, rows];
        for (var i = 0; i < rows; i++)
        {
            for (var j = 0; j < columns; j++)
            {
                turned[j, i] = weights[i, j];
            }
        }

        return turned;
    }
}
