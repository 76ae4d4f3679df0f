using System.Globalization;

namespace Linformer.Protocol;

/// <summary>How long a job would take on so many GPUs of a kind, by arithmetic: nothing of it is measured.</summary>
public sealed record GpuForecast
{
    /// <summary>What share of its peak a GPU is taken to reach in a training step: what well-kept trainers report for models of this kind.</summary>
    public const double AssumedShareOfPeak = 0.4;

    // Gradients travel while the backward pass goes on, which is two thirds of the arithmetic.
    private const double OverlappedShare = 2.0 / 3;
    private const int BitsOfByte = 8;

    /// <summary>Seconds of arithmetic in a step, on the rank that has the most.</summary>
    public required double ComputeSeconds { get; init; }

    /// <summary>Seconds in a step in which gradients travel, whether or not something is computed meanwhile.</summary>
    public required double NetworkSeconds { get; init; }

    /// <summary>Seconds of a step.</summary>
    public required double StepSeconds { get; init; }

    /// <summary>Seconds of the whole job.</summary>
    public required double Seconds { get; init; }

    /// <summary>What the numbers go by, in words.</summary>
    public required string Basis { get; init; }

    /// <summary>What does not fit, in words; empty when all does.</summary>
    public required IReadOnlyList<string> Notices { get; init; }

    /// <summary>Works it out for <c>ranks.max</c> ranks, a GPU each.</summary>
    /// <param name="job">The job; precision auto is bf16 where the GPU has it.</param>
    /// <param name="needs">What it takes, with the same precision.</param>
    /// <param name="gpu">The GPU.</param>
    /// <param name="bitsPerSecond">Of each rank's link to the others; above 0.</param>
    public static GpuForecast Of(JobFile job, JobNeeds needs, GpuModel gpu, double bitsPerSecond)
    {
        ArgumentNullException.ThrowIfNull(job);
        ArgumentNullException.ThrowIfNull(needs);
        ArgumentNullException.ThrowIfNull(gpu);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bitsPerSecond);
        var ranks = job.Ranks.Max;
        var isBf16 = job.Training.Precision != PrecisionKind.Fp32 && gpu.Bf16 is not null;
        var peak = isBf16 ? gpu.Bf16!.Value : gpu.Fp32;
        var compute = needs.OperationsOfBusiestRank(job, ranks) / (peak * AssumedShareOfPeak);
        var gradient = (double)needs.GradientBytes * (job.Training.Wire == WireKind.Bf16 ? 0.5 : 1);
        // A ring moves each part of the gradient twice past each rank.
        var network = 2.0 * (ranks - 1) / ranks * gradient * BitsOfByte / bitsPerSecond / job.Training.LocalSteps;
        var step = compute + Math.Max(0, network - (compute * OverlappedShare));
        return new GpuForecast
        {
            ComputeSeconds = compute,
            NetworkSeconds = network,
            StepSeconds = step,
            Seconds = step * job.Training.Steps,
            Basis = string.Create(
                CultureInfo.InvariantCulture,
                $"{ranks} {(ranks == 1 ? "GPU" : "GPUs")} {gpu.Name} at {100 * AssumedShareOfPeak:0} % of {peak / 1e12:0.#} TFLOP/s in {(isBf16 ? "bf16" : "fp32")}, {bitsPerSecond / 1e9:0.##} Gbit/s to each: {1000 * compute:0.#} ms of arithmetic and {1000 * network:0.#} ms of gradients a step, the latter during the backward pass as far as that lasts. Calculated, not measured."),
            Notices = [.. Problems(job, needs, gpu)],
        };
    }

    private static IEnumerable<string> Problems(JobFile job, JobNeeds needs, GpuModel gpu)
    {
        if (job.Training.Precision == PrecisionKind.Bf16 && gpu.Bf16 is null)
            yield return $"{gpu.Name} has no tensor cores for bf16; the time is that of fp32.";
        // The process's own memory is the machine's, not the GPU's.
        var onGpu = needs.MemoryBytes - needs.ProcessBytes;
        if (onGpu > gpu.MemoryBytes)
            yield return string.Create(CultureInfo.InvariantCulture, $"A rank needs {onGpu / (double)(1L << 30):0.0} GiB on its GPU; {gpu.Name} has {gpu.MemoryBytes / (double)(1L << 30):0.0} GiB. Lower training.microBatch.");
    }
}
