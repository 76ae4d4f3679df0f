using System.Globalization;
using Linformer.Protocol;
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
        using var display = new TrainingDisplay(progress, job.Training.Steps);
        await using var log = Log(options.StorageRoot, job.Name);
        using var told = cancellation.Register(() => progress.Note("Stopping as soon as nothing is lost; a second Ctrl-C ends at once."));
        return await new LocalTraining(options, display, log).RunAsync(job, cancellation);
    }

    /// <summary>Writes what came of a job.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="summary">What came of it.</param>
    public static void WriteSummary(TextWriter output, RankSummary summary)
    {
        output.WriteLine(FormattableString.Invariant($"Trained {summary.Parameters:#,0} parameters for {summary.Steps:#,0} steps."));
        output.WriteLine(FormattableString.Invariant(
            $"Held-out perplexity {summary.HeldOutPerplexity:0.0} on {summary.PredictedTokens:#,0} masked tokens; word frequencies alone (unigram) give {summary.UnigramPerplexity:0.0}."));
        output.WriteLine($"Model: {summary.ModelFolder}");
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
