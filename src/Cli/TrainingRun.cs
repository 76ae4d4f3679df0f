using System.Globalization;
using Linformer.Cli.Views;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Worker.Jobs;
using Linformer.Worker.Local;
using Linformer.Worker.Ranks;
using Serilog;

namespace Linformer.Cli;

/// <summary>A training on this machine, shown on the terminal.</summary>
internal static class TrainingRun
{
    /// <summary>Trains and shows progress.</summary>
    /// <param name="context">How to write.</param>
    /// <param name="options">Where and how.</param>
    /// <param name="job">The job.</param>
    /// <param name="cancellation">Asks for a graceful stop.</param>
    public static async Task<LocalTrainingResult> ExecuteAsync(
        CommandContext context, LocalTrainingOptions options, JobFile job, CancellationToken cancellation)
    {
        using var progress = context.StartProgress();
        using var display = new TrainingDisplay(progress);
        await using var log = Log(options.StorageRoot, job.Name);
        using var told = cancellation.Register(() => progress.Note("Stopping as soon as nothing is lost; a second Ctrl-C ends at once."));
        return await new LocalTraining(options, display, log).RunAsync(job, cancellation);
    }

    /// <summary>Writes what came of a job.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="summary">What came of it.</param>
    public static void WriteSummary(TextWriter output, RankSummary summary)
    {
        if (double.IsNaN(summary.HeldOutLoss) && summary.PredictedTokens > 0)
        {
            output.WriteLine(FormattableString.Invariant($"Applied a model of {summary.Parameters:#,0} parameters to {summary.PredictedTokens:#,0} documents."));
            output.WriteLine($"Results: {summary.ModelFolder}");
            return;
        }

        output.WriteLine(FormattableString.Invariant($"Trained {summary.Parameters:#,0} parameters for {summary.Steps:#,0} steps."));
        output.WriteLine(HeldOut(summary));
        output.WriteLine($"Model: {summary.ModelFolder}");
    }

    private static string HeldOut(RankSummary summary)
    {
        if (summary.Measures is { } measures)
            return Words.Measured(measures, summary.HeldOutLoss, summary.PredictedTokens, summary.BestStep ?? 0);
        return double.IsNaN(summary.UnigramPerplexity)
            ? FormattableString.Invariant($"Held-out loss {summary.HeldOutLoss:0.0000} on {summary.PredictedTokens:#,0} predictions.")
            : FormattableString.Invariant($"Held-out perplexity {summary.HeldOutPerplexity:0.0} on {summary.PredictedTokens:#,0} tokens; word frequencies alone (unigram) give {summary.UnigramPerplexity:0.0}.");
    }

    /// <summary>The shares of the phases in the time of all ranks, in percent; null when no step was measured.</summary>
    /// <param name="seconds">The seconds by phase.</param>
    public static IReadOnlyDictionary<string, double>? Shares(IReadOnlyDictionary<StepPhase, double> seconds)
    {
        var total = seconds.Values.Sum();
        return total > 0
            ? seconds.OrderBy(phase => phase.Key == StepPhase.Other).ThenBy(phase => phase.Key)
                .ToDictionary(phase => phase.Key.ToString().ToLowerInvariant(), phase => Math.Round(100 * phase.Value / total, 1))
            : null;
    }

    /// <summary>Writes where the time went; nothing when no step was measured.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="shares">The shares, in percent.</param>
    public static void WriteShares(TextWriter output, IReadOnlyDictionary<string, double>? shares)
    {
        if (shares is not null)
            output.WriteLine($"Time: {string.Join(", ", shares.Select(share => FormattableString.Invariant($"{share.Key} {share.Value:0} %")))}");
    }

    // The launcher's own log; each rank has one beside it.
    private static Serilog.Core.Logger Log(string root, string job) => new LoggerConfiguration()
        .Enrich.WithProperty("JobId", job)
        .WriteTo.File(
            Path.Combine(new StorageLayout(root).Logs(job), "launcher.log"),
            outputTemplate: "{Timestamp:yyyy-MM-dd HH:mm:ss.fff} {Level:u3} [{JobId}] {Message:lj}{NewLine}{Exception}",
            formatProvider: CultureInfo.InvariantCulture)
        .CreateLogger();
}
