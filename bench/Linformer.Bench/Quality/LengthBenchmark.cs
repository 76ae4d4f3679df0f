using System.Globalization;

namespace Linformer.Bench.Quality;

/// <summary>What <see cref="LengthBenchmark"/> trains.</summary>
public sealed record LengthOptions
{
    /// <summary>The storage root, with the corpus below it.</summary>
    public required string StorageRoot { get; init; }

    /// <summary>The corpus's files, relative to the storage root.</summary>
    public required string Files { get; init; }

    /// <summary>Steps of each job from scratch; a model that goes on at another length does so for half as many.</summary>
    public int Steps { get; init; } = 400;

    /// <summary>k of each job.</summary>
    public int Projected { get; init; } = 128;

    /// <summary>How many seeds each row is trained from.</summary>
    public int Seeds { get; init; } = 1;
}

/// <summary>A model that was trained at a length.</summary>
/// <param name="Length">n of its last training.</param>
/// <param name="Steps">Steps of all its trainings.</param>
/// <param name="Runs">The last training, one for each seed.</param>
public sealed record LengthRow(int Length, int Steps, IReadOnlyList<TrainedRun> Runs);

/// <summary>What <see cref="LengthBenchmark"/> found.</summary>
/// <param name="Scratch">By n, from scratch, the same number of tokens.</param>
/// <param name="Continued">By n, from the first of <see cref="Scratch"/>.</param>
/// <param name="AtOnce">The longest n from scratch, with as many tokens as those of <see cref="Continued"/> have seen in all.</param>
public sealed record LengthResult(IReadOnlyList<LengthRow> Scratch, IReadOnlyList<LengthRow> Continued, LengthRow AtOnce);

/// <summary>
/// Longer sequences with the same k: from scratch with the same number of tokens, figure 3 (d) of Wang et al. 2020, and with the model of the
/// shortest going on at the others, its projections and positions interpolated.
/// </summary>
public static class LengthBenchmark
{
    private static readonly int[] Lengths = [512, 1024, 2048, 4096];

    /// <summary>Trains them one after the other.</summary>
    /// <param name="options">What.</param>
    /// <param name="progress">Told each line of progress.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="InvalidOperationException">A job failed.</exception>
    public static async Task<LengthResult> RunAsync(LengthOptions options, Action<string> progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(progress);
        var more = Math.Max(1, options.Steps / 2);
        var scratch = new List<LengthRow>();
        foreach (var length in Lengths)
            scratch.Add(new LengthRow(length, options.Steps, await TrainAsync(length, options.Steps, from: null)));
        var continued = new List<LengthRow>();
        foreach (var length in Lengths)
            continued.Add(new LengthRow(length, options.Steps + more, await TrainAsync(length, more, scratch[0].Runs)));
        var atOnce = new LengthRow(Lengths[^1], options.Steps + more, await TrainAsync(Lengths[^1], options.Steps + more, from: null));
        return new LengthResult(scratch, continued, atOnce);

        async Task<IReadOnlyList<TrainedRun>> TrainAsync(int length, int steps, IReadOnlyList<TrainedRun>? from)
        {
            var runs = new List<TrainedRun>();
            for (var seed = 1; seed <= options.Seeds; seed++)
            {
                progress(string.Create(CultureInfo.InvariantCulture, $"n = {length:#,0}, {steps:#,0} steps {(from is null ? "from scratch" : "more")}, seed {seed} …"));
                var job = QualityJob.Create($"length-{length}", options.Files, length, steps, seed);
                job = job with { InitializeFrom = from?[seed - 1].Model, Model = job.Model with { ProjectedLength = options.Projected } };
                runs.Add(await TrainedRun.TrainAsync(job, options.StorageRoot, progress, cancellation));
            }

            return runs;
        }
    }

    /// <summary>The results for reading.</summary>
    /// <param name="options">What was trained.</param>
    /// <param name="result">The results.</param>
    public static IReadOnlyList<BenchTable> Tables(LengthOptions options, LengthResult result)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(result);
        return
        [
            new BenchTable(
                string.Create(CultureInfo.InvariantCulture, $"From scratch with k = {options.Projected}, {options.Steps:#,0} steps of {QualityJob.TokensPerStep:#,0} tokens"),
                ["n", "n/k", "perplexity", "of word frequencies"],
                [.. result.Scratch.Select(row => Cells(row, $"{row.Length / options.Projected}"))]),
            new BenchTable(
                string.Create(CultureInfo.InvariantCulture, $"The model of n = {Lengths[0]} goes on at n; as many tokens in all as the last, which began with n = {Lengths[^1]:#,0}"),
                ["n", "steps", "perplexity", "of word frequencies"],
                [.. result.Continued.Append(result.AtOnce).Select(row => Cells(row, row.Steps.ToString("#,0", CultureInfo.InvariantCulture), ReferenceEquals(row, result.AtOnce) ? ", from scratch" : ""))]),
        ];
    }

    private static string[] Cells(LengthRow row, string second, string remark = "") =>
    [
        row.Length.ToString("#,0", CultureInfo.InvariantCulture) + remark,
        second,
        string.Join(", ", row.Runs.Select(run => run.Perplexity.ToString("0.0", CultureInfo.InvariantCulture))),
        (row.Runs[0].UnigramPerplexity ?? double.NaN).ToString("0.0", CultureInfo.InvariantCulture),
    ];
}
