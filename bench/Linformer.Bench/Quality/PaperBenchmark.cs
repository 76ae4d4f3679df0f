using System.Globalization;
using Linformer.Protocol;

namespace Linformer.Bench.Quality;

/// <summary>
/// The paper's runs (examples/paper) in small: a thousandth of the steps or less, a model of four layers of width 64, few sequences, another text.
/// What they have of their own stays: n, k, what is shared, which attention, where the norms stand, how a task's files are laid out.
/// </summary>
public static class PaperBenchmark
{
    /// <summary>By what the steps are divided, unless something else is asked for.</summary>
    public const int Scale = 1000;

    private const int TokensPerStep = 2048;
    private const int MostMicroBatch = 4;
    private const int Examples = 8;
    private const string Corpora = "corpora/";

    /// <summary>A job of pretraining as this machine can run it.</summary>
    /// <param name="job">The job.</param>
    /// <param name="files">The text to train on instead, relative to the storage root.</param>
    /// <param name="scale">By what its steps are divided.</param>
    public static JobFile InSmall(JobFile job, string files, int scale = Scale)
    {
        ArgumentNullException.ThrowIfNull(job);
        var batch = Math.Max(1, TokensPerStep / job.Model.SequenceLength);
        return Small(job, batch, scale) with
        {
            Corpus = job.Corpus with
            {
                Files = [files],
                Separator = null,
                Tokenizer = new TokenizerSection { Kind = TokenizerKind.ByteBpe, VocabularySize = 1024 },
                HeldOut = 0.02,
                ShuffleBlock = 8,
            },
        };
    }

    /// <summary>A job of fine-tuning as this machine can run it, with examples that are made up.</summary>
    /// <param name="job">The job.</param>
    /// <param name="model">The folder of the model that it begins with, relative to the storage root.</param>
    /// <param name="scale">By what its steps are divided.</param>
    public static JobFile FineTuningInSmall(JobFile job, string model, int scale = Scale)
    {
        ArgumentNullException.ThrowIfNull(job);
        return Small(job, Examples, scale) with
        {
            InitializeFrom = model,
            Corpus = job.Corpus with
            {
                Files = [.. job.Corpus.Files.Select(MadeUp)],
                HeldOutFiles = [.. job.Corpus.HeldOutFiles!.Select(MadeUp)],
                Tokenizer = new TokenizerSection { File = $"{model}/tokenizer.json" },
            },
        };
    }

    /// <summary>The name of the pretraining that a job of fine-tuning begins with; null for a pretraining.</summary>
    /// <param name="job">The job.</param>
    public static string? PretrainingOf(JobFile job)
    {
        ArgumentNullException.ThrowIfNull(job);
        return job.InitializeFrom is { } folder ? Path.GetFileName(folder) : null;
    }

    /// <summary>The results for reading.</summary>
    /// <param name="runs">The results.</param>
    /// <param name="scale">By what the steps were divided.</param>
    public static BenchTable Table(IReadOnlyList<TrainedRun> runs, int scale = Scale) => new(
        string.Create(CultureInfo.InvariantCulture, $"The paper's runs in small: the steps divided by {scale:#,0}, four layers of width 64"),
        ["", "parameters", "perplexity", "of word frequencies", "accuracy", "seconds"],
        [.. runs.Select(run => (IReadOnlyList<string>)
        [
            run.Name,
            run.Parameters.ToString("#,0", CultureInfo.InvariantCulture),
            run.Accuracy is null ? run.Perplexity.ToString("0.0", CultureInfo.InvariantCulture) : "",
            run.UnigramPerplexity?.ToString("0.0", CultureInfo.InvariantCulture) ?? "",
            run.Accuracy?.ToString("P0", CultureInfo.InvariantCulture) ?? "",
            run.Seconds.ToString("0", CultureInfo.InvariantCulture),
        ])])
    {
        Notes = ["So short a run shows that each file trains, not which is best: bench perplexity compares. The examples of fine-tuning are made up."],
    };

    private static string MadeUp(string path) =>
        path.StartsWith(Corpora, StringComparison.Ordinal) ? $"{MadeUpTasks.Folder}/{path[Corpora.Length..]}" : path;

    private static JobFile Small(JobFile job, int batch, int scale)
    {
        var steps = Math.Max(1, job.Training.Steps / scale);
        return job with
        {
            Name = $"small-{job.Name}",
            Model = job.Model with { Layers = 4, Heads = 4, Hidden = 64, FeedForward = 256 },
            Training = job.Training with
            {
                Steps = steps,
                WarmupSteps = Math.Min(steps, job.Training.WarmupSteps / scale),
                GlobalBatch = batch,
                MicroBatch = Math.Min(MostMicroBatch, batch),
                EvaluateEvery = steps,
                CheckpointEvery = steps,
            },
            Ranks = new RanksSection { Min = 1, Max = 1 },
        };
    }
}
