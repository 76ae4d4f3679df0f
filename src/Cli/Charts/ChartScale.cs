namespace Linformer.Cli.Charts;

/// <summary>Where a value stands between the bottom and the top of a chart.</summary>
internal sealed class ChartScale
{
    private readonly bool _log;
    private readonly double _low;
    private readonly double _high;

    private ChartScale(double low, double high, bool log) => (_low, _high, _log) = (low, high, log);

    /// <summary>A scale from the least to the greatest value that it can show; null when there is none.</summary>
    /// <param name="values">Of any kind.</param>
    /// <param name="log">Whether it is logarithmic: then only values above 0 are shown.</param>
    public static ChartScale? Of(IEnumerable<double> values, bool log)
    {
        var (low, high) = (double.PositiveInfinity, double.NegativeInfinity);
        foreach (var value in values.Where(value => double.IsFinite(value) && (!log || value > 0)))
            (low, high) = (Math.Min(low, value), Math.Max(high, value));
        if (low > high)
            return null;
        (low, high) = log ? (Math.Log10(low), Math.Log10(high)) : (low, high);
        if (low == high)
        {
            var margin = low == 0 || log ? 0.5 : Math.Max(Math.Abs(low) * 0.05, 1e-300);
            (low, high) = (Math.Max(low - margin, double.MinValue), Math.Min(high + margin, double.MaxValue));
        }

        return new ChartScale(low, high, log);
    }

    /// <summary>From 0 at the bottom to 1 at the top; null for a value that cannot be shown.</summary>
    public double? Fraction(double value)
    {
        if (!double.IsFinite(value) || (_log && value <= 0))
            return null;
        value = _log ? Math.Log10(value) : value;
        // Halves, as the difference of the greatest numbers has no number.
        return Math.Clamp(((value / 2) - (_low / 2)) / ((_high / 2) - (_low / 2)), 0, 1);
    }

    /// <summary>The value at a fraction of the height.</summary>
    public double At(double fraction)
    {
        var value = (_low * (1 - fraction)) + (_high * fraction);
        return _log ? Math.Pow(10, value) : value;
    }
}
