using System.Globalization;
using Linformer.Protocol;

namespace Linformer.Bench.Quality;

/// <summary>What <see cref="PerplexityBenchmark"/> trains.</summary>
public sealed record PerplexityOptions
{
    /// <summary>The storage root, with the corpus below it.</summary>
    public required string StorageRoot { get; init; }

    /// <summary>The corpus's files, relative to the storage root.</summary>
    public required string Files { get; init; }

    /// <summary>Steps of each job.</summary>
    public int Steps { get; init; } = 400;

    /// <summary>n of each job; at most the tokens of a step, 4,096.</summary>
    public int Length { get; init; } = 512;

    /// <summary>How many seeds each row is trained from.</summary>
    public int Seeds { get; init; } = 1;

    /// <summary>Only these rows; empty for all.</summary>
    public IReadOnlyList<string> Only { get; init; } = [];
}

/// <summary>A way to attend, trained from some seeds.</summary>
/// <param name="Name">The row.</param>
/// <param name="Runs">One for each seed.</param>
public sealed record PerplexityRow(string Name, IReadOnlyList<TrainedRun> Runs);

/// <summary>
/// Full attention, several k and every way to share the projections, with the same text, seeds and number of steps: figure 3 of Wang et al.
/// 2020 at the size of this machine.
/// </summary>
public static class PerplexityBenchmark
{
    private static readonly (string Name, Func<ModelSection, ModelSection> Change)[] Variants =
    [
        ("full", model => model with { Attention = AttentionKind.Full }),
        ("k32", model => model with { ProjectedLength = 32 }),
        ("k64", model => model with { ProjectedLength = 64 }),
        ("k128", model => model with { ProjectedLength = 128 }),
        ("k256", model => model with { ProjectedLength = 256 }),
        ("k128-none", model => model with { ProjectedLength = 128, Sharing = SharingKind.None }),
        ("k128-headwise", model => model with { ProjectedLength = 128, Sharing = SharingKind.Headwise }),
        ("k128-key-value", model => model with { ProjectedLength = 128, Sharing = SharingKind.KeyValue }),
    ];

    /// <summary>The rows that there are.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Variants.Select(variant => variant.Name)];

    /// <summary>Trains them one after the other: all from the first seed, then all from the next.</summary>
    /// <param name="options">What.</param>
    /// <param name="progress">Told each line of progress.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="InvalidOperationException">A job failed.</exception>
    public static async Task<IReadOnlyList<PerplexityRow>> RunAsync(PerplexityOptions options, Action<string> progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(progress);
        var chosen = Variants.Where(variant => options.Only.Count == 0 || options.Only.Contains(variant.Name)).ToList();
        var runs = chosen.ToDictionary(variant => variant.Name, _ => new List<TrainedRun>());
        for (var seed = 1; seed <= options.Seeds; seed++)
        {
            foreach (var (name, change) in chosen)
            {
                progress($"{name}, seed {seed} …");
                var job = QualityJob.Create($"perplexity-{name}", options.Files, options.Length, options.Steps, seed);
                runs[name].Add(await TrainedRun.TrainAsync(job with { Model = change(job.Model) }, options.StorageRoot, progress, cancellation));
            }
        }

        return [.. chosen.Select(variant => new PerplexityRow(variant.Name, runs[variant.Name]))];
    }

    /// <summary>The results for reading.</summary>
    /// <param name="options">What was trained.</param>
    /// <param name="rows">The results.</param>
    public static BenchTable Table(PerplexityOptions options, IReadOnlyList<PerplexityRow> rows)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(rows);
        return new BenchTable(
            string.Create(CultureInfo.InvariantCulture, $"Held-out perplexity after {options.Steps:#,0} steps of {QualityJob.TokensPerStep:#,0} tokens, n = {options.Length:#,0}"),
            ["", "parameters", "perplexity", "of each seed", "of word frequencies"],
            [.. rows.Select(row => (IReadOnlyList<string>)
            [
                row.Name,
                row.Runs[0].Parameters.ToString("#,0", CultureInfo.InvariantCulture),
                Shown(row.Runs.Average(run => run.Perplexity)),
                string.Join(", ", row.Runs.Select(run => Shown(run.Perplexity))),
                Shown(row.Runs.Average(run => run.UnigramPerplexity ?? double.NaN)),
            ])])
        {
            Notes = ["k32, k64, k128 and k256 share one projection layerwise; the others name what is shared."],
        };
    }

    private static string Shown(double perplexity) => perplexity.ToString("0.0", CultureInfo.InvariantCulture);
}
