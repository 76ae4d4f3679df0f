namespace Linformer.Cli.Progress;

/// <summary>Progress in words.</summary>
internal static class ProgressText
{
    /// <summary>"12 of 40 files".</summary>
    public static string Count(long done, long? total, string unit) =>
        total is null ? $"{done:#,0} {unit}" : $"{done:#,0} of {total:#,0} {unit}";

    /// <summary>"step 120 of 1,200, 2 min 5 s left".</summary>
    public static string Steps(TrainingProgress progress)
    {
        var step = $"step {progress.Step:#,0} of {progress.Steps:#,0}";
        return progress.TimeLeft is { } left ? $"{step}, {Duration(left)} left" : step;
    }

    /// <summary>Whether the numbers are those of a step that was left out: nothing was computed.</summary>
    public static bool IsLeftOut(double loss, double tokensPerSecond) => double.IsNaN(loss) && tokensPerSecond == 0;

    /// <summary>"loss 5.123, held-out perplexity 210.3, 12,345 tokens/s", or "left out".</summary>
    public static string Measures(TrainingProgress progress)
    {
        if (IsLeftOut(progress.Loss, progress.TokensPerSecond))
            return "left out";
        var perplexity = progress.HeldOutPerplexity is { } heldOut ? $", held-out perplexity {heldOut:#,0.0}" : "";
        return $"loss {progress.Loss:0.000}{perplexity}, {progress.TokensPerSecond:#,0} tokens/s";
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
