namespace Linformer.Cli.Progress;

/// <summary>Progress in words.</summary>
internal static class ProgressText
{
    /// <summary>"12 of 40 files".</summary>
    public static string Count(long done, long? total, string unit) =>
        total is null ? $"{done:#,0} {unit}" : $"{done:#,0} of {total:#,0} {unit}";

    /// <summary>"step 120 of 1,200, 2 min 5 s left", or "3,000 of about 12,000 documents".</summary>
    public static string Steps(TrainingProgress progress)
    {
        var step = progress is { Unit: { } unit, UnitsPerStep: > 0 and var size }
            ? $"{progress.Step * size:#,0} of about {progress.Steps * size:#,0} {unit}"
            : $"step {progress.Step:#,0} of {progress.Steps:#,0}";
        return progress.TimeLeft is { } left ? $"{step}, {Duration(left)} left" : step;
    }

    /// <summary>Whether the numbers are those of a step that was left out: nothing was computed.</summary>
    public static bool IsLeftOut(double loss, double tokensPerSecond) => double.IsNaN(loss) && tokensPerSecond == 0;

    /// <summary>"loss 5.123, held-out perplexity 210.3, 12,345 tokens/s", or "left out".</summary>
    public static string Measures(TrainingProgress progress)
    {
        if (progress.Unit is { } unit)
            return FormattableString.Invariant($"{progress.TokensPerSecond:#,0.#} {unit}/s");
        if (IsLeftOut(progress.Loss, progress.TokensPerSecond))
            return "left out";
        var perplexity = progress.Measures is { Count: > 0 } measures
            ? $", held-out {Measures(measures)}"
            : progress.HeldOutPerplexity is { } heldOut ? $", held-out perplexity {heldOut:#,0.0}" : "";
        return $"loss {progress.Loss:0.000}{perplexity}, {progress.TokensPerSecond:#,0} tokens/s";
    }

    /// <summary>"accuracy 0.912, f1 0.900, matthews 0.820"; of classes not the means of F1 where there are only two.</summary>
    public static string Measures(IEnumerable<KeyValuePair<string, double>> measures)
    {
        var all = measures.OrderBy(measure => measure.Key, StringComparer.Ordinal).ToList();
        var hasF1 = all.Exists(measure => measure.Key == "f1");
        return string.Join(", ", all.Where(measure => !hasF1 || measure.Key is not ("macro-f1" or "micro-f1")).Select(measure => FormattableString.Invariant($"{measure.Key} {measure.Value:0.000}")));
    }

    /// <summary>"3 h 5 min", "2 min 5 s", "12 s", "0.3 s".</summary>
    public static string Duration(TimeSpan duration) => duration switch
    {
        { TotalHours: >= 1 } => $"{Math.Floor(duration.TotalHours):#,0} h {duration.Minutes} min",
        { TotalMinutes: >= 1 } => $"{duration.Minutes} min {duration.Seconds} s",
        { TotalSeconds: >= 10 } => $"{duration.Seconds} s",
        _ => $"{Math.Max(0, duration.TotalSeconds):0.0} s",
    };

    /// <summary>The share that is done, from 0 to 1, where the total is known.</summary>
    public static double? Fraction(long done, long? total) => total is > 0 ? Math.Clamp((double)done / total.Value, 0, 1) : null;
}
