using System.Globalization;
using Linformer.Bench.Pretraining;
using Linformer.Data;
using Linformer.Protocol;
using Linformer.Worker.Jobs;
using Linformer.Worker.Machines;

namespace Linformer.Bench.Profile;

/// <summary>What <see cref="ProfileBenchmark"/> measures.</summary>
public sealed record ProfileBenchmarkOptions
{
    /// <summary>The job.</summary>
    public required JobFile Job { get; init; }

    /// <summary>The storage root with its corpus.</summary>
    public required string StorageRoot { get; init; }

    /// <summary>Ranks; null for the job's <c>ranks.max</c>.</summary>
    public int? Ranks { get; init; }

    /// <summary>Steps that warm up.</summary>
    public int Warmup { get; init; } = 3;

    /// <summary>Steps that are measured.</summary>
    public int Steps { get; init; } = 20;
}

/// <summary>Where the time of a job's steps goes.</summary>
/// <param name="Job">Its name.</param>
/// <param name="Ranks">Ranks.</param>
/// <param name="Precision">fp32 or bf16.</param>
/// <param name="FlopsPerToken">See <see cref="PretrainingShape.FlopsPerToken"/>.</param>
/// <param name="Step">The first rank's steps, without the clock in the kernels.</param>
/// <param name="Profiled">Its steps with that clock.</param>
/// <param name="Peaks">FLOP/s of matrix products at the most, on the cores of one rank, by precision.</param>
public sealed record ProfileResult(
    string Job, int Ranks, string Precision, double FlopsPerToken, TrainerWindow Step, TrainerWindow Profiled, IReadOnlyDictionary<string, double> Peaks)
{
    private const int MostKernels = 30;

    /// <summary>For reading.</summary>
    public IReadOnlyList<BenchTable> Tables() => Profiled.Kernels.Count == 0 ? [Summary(), Phases()] : [Summary(), Phases(), Kernels()];

    private BenchTable Summary()
    {
        var flops = Step.Tokens * FlopsPerToken / Step.Seconds;
        return new BenchTable(
            $"A step of {Job}: first of {Ranks} ranks, {Precision}",
            ["", "value"],
            [
                ["time of a step", Milliseconds(Step.Seconds / Step.Steps)],
                ["tokens/s of this rank", Number(Step.Tokens / Step.Seconds, "#,0")],
                ["model GFLOP/s", Number(flops / 1e9, "0.0")],
                ["share of the peak", Number(100 * flops / Peaks[Precision], "0.0") + " %"],
                .. Peaks.Select(peak => (IReadOnlyList<string>)[$"peak of matrix products, {peak.Key}", Number(peak.Value / 1e9, "0") + " GFLOP/s"]),
                ["memory of the process at the most", Number(Step.PeakBytes / 1e6, "#,0") + " MB"],
            ]);
    }

    private BenchTable Phases()
    {
        var rows = Step.PhaseSeconds.Select(phase => (IReadOnlyList<string>)
            [phase.Key, Milliseconds(phase.Value / Step.Steps), Number(100 * phase.Value / Step.Seconds, "0.0") + " %"]);
        return new BenchTable("By phase, of the thread that trains", ["phase", "a step", "share"], [.. rows])
        {
            Notes = Profiled.Kernels.Count == 0 ? ["There are no native kernels for this job, or they are not built: nothing is known by kernel."] : [],
        };
    }

    private BenchTable Kernels()
    {
        var rest = new KernelTime("outside of the native kernels", 0, Math.Max(0, Profiled.Seconds - Profiled.Kernels.Sum(kernel => kernel.Seconds)), 0);
        var others = Profiled.Kernels.Skip(MostKernels).ToList();
        var products = Profiled.Kernels.Where(kernel => kernel.Flops > 0).ToList();
        var all = new KernelTime($"all products ({Precision})", products.Sum(kernel => kernel.Calls), products.Sum(kernel => kernel.Seconds), products.Sum(kernel => kernel.Flops));
        List<KernelTime> rows = [.. products.Count > 0 ? [all] : Array.Empty<KernelTime>(), rest, .. Profiled.Kernels.Take(MostKernels)];
        if (others.Count > 0)
        {
            rows.Add(new KernelTime($"{others.Count} others", others.Sum(kernel => kernel.Calls), others.Sum(kernel => kernel.Seconds), others.Sum(kernel => kernel.Flops)));
        }

        return new BenchTable("By kernel, the longest first", ["kernel", "calls a step", "a step", "share", "GFLOP/s", "of the peak"], [.. rows.Select(Row)])
        {
            Notes =
            [
                string.Create(CultureInfo.InvariantCulture, $"The clock in the kernels changed the time of a step by {100 * ((Profiled.Seconds / Profiled.Steps / (Step.Seconds / Step.Steps)) - 1):+0.0;-0.0} %, noise included; a kernel's time is without that of others inside it."),
            ],
        };
    }

    private IReadOnlyList<string> Row(KernelTime kernel)
    {
        var speed = kernel.Flops > 0 ? kernel.Flops / kernel.Seconds : (double?)null;
        var peak = Peaks[kernel.Name.EndsWith("bf16", StringComparison.Ordinal) || kernel.Name.EndsWith("bf16)", StringComparison.Ordinal) ? "bf16" : "fp32"];
        return
        [
            kernel.Name,
            kernel.Calls > 0 ? Number((double)kernel.Calls / Profiled.Steps, "0.#") : "",
            Milliseconds(kernel.Seconds / Profiled.Steps),
            Number(100 * kernel.Seconds / Profiled.Seconds, "0.0") + " %",
            speed is { } flops ? Number(flops / 1e9, "0") : "",
            speed is { } rate ? Number(100 * rate / peak, "0") + " %" : "",
        ];
    }

    private static string Milliseconds(double seconds) => Number(1000 * seconds, "0.00") + " ms";

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}

/// <summary>Trains some steps of a job on bare ranks, and tells where the time goes: by phase and by kernel. Nothing is left behind but the prepared corpus.</summary>
public static class ProfileBenchmark
{
    /// <summary>Measures.</summary>
    /// <param name="options">What.</param>
    /// <exception cref="BadDataException">The corpus is bad, or there are more ranks than micro-batches.</exception>
    /// <exception cref="InvalidOperationException">A rank failed.</exception>
    public static ProfileResult Run(ProfileBenchmarkOptions options)
    {
        var ranks = options.Ranks ?? options.Job.Ranks.Max;
        var job = Settled(options.Job, ranks);
        var microBatches = job.Training.MicroBatches;
        if (ranks > microBatches)
        {
            throw new BadDataException($"{ranks} ranks are not possible: a step has {microBatches} micro-batches; allowed are 1 to {microBatches} ranks.");
        }

        using var trainers = new TrainerRanks(job, options.StorageRoot, ranks);
        trainers.Train(options.Warmup);
        var peaks = Peaks(ranks, job.Ranks.Threads);
        var step = trainers.Train(options.Steps)[0];
        var profiled = trainers.Train(options.Steps, profiled: true)[0];
        return new ProfileResult(job.Name, ranks, job.Training.Precision == PrecisionKind.Bf16 ? "bf16" : "fp32", Shape(job, options.StorageRoot).FlopsPerToken, step, profiled, peaks);
    }

    private static Dictionary<string, double> Peaks(int ranks, int threads)
    {
        using var peak = new MatrixPeak(ranks, threads, TextWriter.Null);
        return new[] { "fp32", "bf16" }.ToDictionary(precision => precision, precision => peak.Measure(precision) / ranks);
    }

    // As it would be trained here: on this machine's processor, whatever else it has.
    private static JobFile Settled(JobFile job, int ranks) => JobResolution.Resolve(
        job, new MachineSlots(ranks, []).Facts(Processor.OfThisMachine), job.Corpus.Tokenizer.VocabularySize ?? JobNeeds.AssumedVocabularySize, ranks);

    private static PretrainingShape Shape(JobFile job, string storageRoot)
    {
        var layout = new StorageLayout(Path.GetFullPath(storageRoot));
        var corpus = CorpusPreparation.Prepare(JobMapping.CorpusSettings(job), layout.Root, layout.Cache);
        return new PretrainingShape
        {
            Vocabulary = corpus.Tokenizer.VocabularySize,
            Hidden = job.Model.Hidden,
            Layers = job.Model.Layers,
            Heads = job.Model.Heads,
            FeedForward = job.Model.FeedForward,
            Length = job.Model.SequenceLength,
            Projected = job.Model.ProjectedLength,
            FullAttention = job.Model.Attention == AttentionKind.Full,
        };
    }
}
