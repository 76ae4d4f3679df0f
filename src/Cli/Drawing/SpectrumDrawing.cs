using System.Globalization;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace Linformer.Cli.Drawing;

/// <summary>Draws what share of the sum of singular values the largest ones hold, a line for each layer (Wang et al. 2020, figure 1).</summary>
internal static class SpectrumDrawing
{
    /// <summary>The picture's size in pixels.</summary>
    public static (int Width, int Height) Size => (900, 600);

    /// <summary>The picture.</summary>
    /// <param name="title">What stands above it.</param>
    /// <param name="layers">For each layer the cumulative shares, the mean over its heads.</param>
    /// <param name="projected">The model's k, drawn as a line; null for full attention.</param>
    public static PlotModel Build(string title, IReadOnlyList<double[]> layers, int? projected)
    {
        var plot = new PlotModel { Title = title, TitleFontSize = 14, Background = OxyColors.White };
        plot.Axes.Add(new LinearAxis { Position = AxisPosition.Bottom, Title = "largest singular values", Minimum = 0 });
        plot.Axes.Add(new LinearAxis { Position = AxisPosition.Left, Title = "share of their sum", Minimum = 0, Maximum = 1.02 });
        plot.Legends.Add(new Legend { LegendPosition = LegendPosition.RightBottom });
        var colours = OxyPalettes.Viridis(Math.Max(2, layers.Count)).Colors;
        for (var layer = 0; layer < layers.Count; layer++)
        {
            var line = new LineSeries { Title = string.Create(CultureInfo.InvariantCulture, $"layer {layer + 1}"), Color = colours[layer], StrokeThickness = 2 };
            line.Points.Add(new DataPoint(0, 0));
            line.Points.AddRange(layers[layer].Select((share, i) => new DataPoint(i + 1, share)));
            plot.Series.Add(line);
        }

        if (projected is { } k)
        {
            plot.Annotations.Add(new OxyPlot.Annotations.LineAnnotation { Type = OxyPlot.Annotations.LineAnnotationType.Vertical, X = k, Text = string.Create(CultureInfo.InvariantCulture, $"k = {k}"), Color = OxyColors.Gray });
        }

        return plot;
    }
}
