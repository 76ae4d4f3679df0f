namespace Linformer.Coordinator.Storage.Metrics;

/// <summary>
/// Some numbers of one series, brought together. Only those between -1e300 and 1e300 count, so that no sum overflows: NaN, infinity and
/// what is as good as infinite are left out.
/// </summary>
/// <param name="Count">How many count.</param>
/// <param name="Minimum">The least of them; NaN if there is none.</param>
/// <param name="Sum">Their sum.</param>
/// <param name="Maximum">The greatest of them; NaN if there is none.</param>
public readonly record struct SeriesSummary(long Count, double Minimum, double Sum, double Maximum)
{
    private const double Largest = 1e300;

    /// <summary>Of no numbers.</summary>
    public static SeriesSummary None { get; } = new(0, double.NaN, 0, double.NaN);

    /// <summary>Their mean; NaN if there is none.</summary>
    public double Mean => Count == 0 ? double.NaN : Sum / Count;

    /// <summary>Of one number, which may be missing.</summary>
    public static SeriesSummary Of(double? number) => number is >= -Largest and <= Largest ? new(1, number.Value, number.Value, number.Value) : None;

    /// <summary>Both together.</summary>
    public SeriesSummary And(SeriesSummary other)
    {
        if (other.Count == 0)
            return this;
        return Count == 0
            ? other
            : new(Count + other.Count, Math.Min(Minimum, other.Minimum), Sum + other.Sum, Math.Max(Maximum, other.Maximum));
    }
}
