namespace Linformer.Cli.Charts;

/// <summary>What a chart shows of one or more steps.</summary>
/// <param name="Step">The first of them.</param>
/// <param name="Min">The least value.</param>
/// <param name="Mean">The mean.</param>
/// <param name="Max">The greatest value.</param>
public readonly record struct ChartPoint(long Step, double Min, double Mean, double Max)
{
    /// <summary>One step.</summary>
    /// <param name="step">The step.</param>
    /// <param name="value">Its value.</param>
    public ChartPoint(long step, double value)
        : this(step, value, value, value)
    {
    }
}
