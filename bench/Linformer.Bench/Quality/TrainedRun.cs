using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Linformer.Protocol;

namespace Linformer.Bench.Quality;

/// <summary>How a job ended that was trained to its end.</summary>
/// <param name="Name">What the benchmark calls it.</param>
/// <param name="Parameters">Its model's parameters.</param>
/// <param name="Perplexity">Of the held-out text; of a classification, e to its held-out loss.</param>
/// <param name="UnigramPerplexity">What word frequencies reach on the same tokens; null for what is no language model.</param>
/// <param name="Accuracy">Share of the held-out examples that are told rightly; null for what is no classification.</param>
/// <param name="Seconds">From the command to its end, the preparation of the corpus included.</param>
/// <param name="Model">The folder of the finished model, relative to the storage root.</param>
public sealed record TrainedRun(string Name, long Parameters, double Perplexity, double? UnigramPerplexity, double? Accuracy, double Seconds, string Model)
{
    /// <summary>
    /// Trains a job with rank processes, as <c>linformer train</c> does, in a process of its own. The job is given a name that no earlier run has.
    /// </summary>
    /// <param name="job">The job.</param>
    /// <param name="storageRoot">The storage root with its corpus.</param>
    /// <param name="progress">Told each line of progress.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="InvalidOperationException">The job failed; says why.</exception>
    public static async Task<TrainedRun> TrainAsync(JobFile job, string storageRoot, Action<string> progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(job);
        var folder = Directory.CreateTempSubdirectory("linformer-bench-").FullName;
        try
        {
            var file = Path.Combine(folder, "job.json");
            var name = string.Create(CultureInfo.InvariantCulture, $"{job.Name}-{DateTime.UtcNow:yyyyMMddHHmmss}");
            await File.WriteAllTextAsync(file, (job with { Name = name }).ToJson(), cancellation);
            var clock = Stopwatch.StartNew();
            var printed = await RunAsync(["train", file, "--data", storageRoot, "--output", "json"], progress, cancellation);
            using var json = JsonDocument.Parse(printed);
            return Of(job.Name, json.RootElement.GetProperty("summary"), clock.Elapsed.TotalSeconds, storageRoot);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static TrainedRun Of(string name, JsonElement summary, double seconds, string storageRoot)
    {
        var unigram = summary.GetProperty("unigramPerplexity"); // "NaN" for what has none
        return new TrainedRun(
            name,
            summary.GetProperty("parameters").GetInt64(),
            summary.GetProperty("heldOutPerplexity").GetDouble(),
            unigram.ValueKind == JsonValueKind.Number ? unigram.GetDouble() : null,
            summary.TryGetProperty("measures", out var measures) && measures.ValueKind == JsonValueKind.Object ? measures.GetProperty("accuracy").GetDouble() : null,
            seconds,
            Path.GetRelativePath(storageRoot, summary.GetProperty("modelFolder").GetString()!));
    }

    private static async Task<string> RunAsync(string[] arguments, Action<string> progress, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        // Ctrl-C reaches it too, and it ends well by itself.
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var last = "";
        while (await process.StandardError.ReadLineAsync(CancellationToken.None) is { } line)
        {
            last = line;
            progress(line);
        }

        var printed = await output;
        await process.WaitForExitAsync(CancellationToken.None);
        cancellation.ThrowIfCancellationRequested();
        return process.ExitCode == 0 ? printed : throw new InvalidOperationException(last);
    }
}
