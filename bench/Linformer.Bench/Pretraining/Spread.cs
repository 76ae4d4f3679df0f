using System.Globalization;

namespace Linformer.Bench.Pretraining;

/// <summary>The median of several runs, and how far they lie apart.</summary>
/// <param name="Median">The median.</param>
/// <param name="Least">The least.</param>
/// <param name="Most">The most.</param>
public sealed record Spread(double Median, double Least, double Most)
{
    /// <summary>Of some values.</summary>
    /// <param name="values">At least one.</param>
    public static Spread Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        var middle = sorted.Count / 2;
        return new Spread(sorted.Count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2, sorted[0], sorted[^1]);
    }

    /// <summary>Of what was measured side by side: a ratio for each run in which both were.</summary>
    /// <param name="ours">By run; null where there is none.</param>
    /// <param name="theirs">The same of the other.</param>
    /// <returns>The spread of the ratios; null when no run has both.</returns>
    public static Spread? OfRatios(IEnumerable<double?> ours, IEnumerable<double?> theirs)
    {
        var ratios = ours.Zip(theirs, (a, b) => a / b).OfType<double>().ToList();
        return ratios.Count == 0 ? null : Of(ratios);
    }

    /// <summary>As text, such as <c>4.2 (3.9 to 4.4)</c>.</summary>
    /// <param name="format">Of each number, such as <c>0.0</c>.</param>
    public string Text(string format) =>
        $"{Number(Median, format)} ({Number(Least, format)} to {Number(Most, format)})";

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
