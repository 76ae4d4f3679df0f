using Linformer.Cli.Progress;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Views;

/// <summary>What a job takes, for people.</summary>
internal static class EstimateText
{
    private static readonly (double Scale, string Prefix)[] Scales = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")];

    /// <summary>Writes it, a line for each matter.</summary>
    public static void Write(TextWriter output, JobEstimate estimate, long steps)
    {
        var memory = string.Join(
            ", ",
            $"parameters {Words.Bytes(estimate.ParameterBytes)}",
            $"gradients {Words.Bytes(estimate.GradientBytes)}",
            $"optimizer {Words.Bytes(estimate.OptimizerBytes)}",
            $"a micro-batch {Words.Bytes(estimate.ActivationBytes)}",
            $"the process {Words.Bytes(estimate.ProcessBytes)}");
        output.WriteLine($"parameters:     {estimate.Parameters:#,0}");
        output.WriteLine($"memory a rank:  {Words.Bytes(estimate.MemoryBytes)} ({memory})");
        output.WriteLine($"tokens:         {estimate.TokensPerStep:#,0} a step, {estimate.TotalTokens:#,0} in all");
        output.WriteLine($"operations:     {Operations(estimate.OperationsPerStep)} a step, {Operations(estimate.OperationsPerStep * steps)} in all; full attention takes {estimate.FullAttentionRatio:0.0#} times as many");
        output.WriteLine($"expected time:  {(estimate.HasSeconds ? $"about {Time(estimate.Seconds)}. " : "not known. ")}{estimate.Basis}");
    }

    private static string Operations(double count)
    {
        var (scale, prefix) = Scales.FirstOrDefault(entry => count >= entry.Scale, (Scale: 1e3, Prefix: "k"));
        return $"{count / scale:0.0} {prefix}FLOP";
    }

    // Beyond a hundred years a number helps nobody, and beyond some thousands TimeSpan has none.
    private static string Time(double seconds) =>
        seconds > 100 * 365.25 * 86_400 ? "more than a hundred years" : ProgressText.Duration(TimeSpan.FromSeconds(seconds));
}
