using System.Diagnostics;
using System.Text.Json;

namespace Linformer.Bench.Pretraining;

/// <summary>A way in which the peer trains.</summary>
/// <param name="Name">What it is called in tables.</param>
/// <param name="Precision">fp32 or bf16 (autocast).</param>
/// <param name="Head">The positions that its LM head computes: all or masked.</param>
/// <param name="Attention">linear or full.</param>
/// <param name="Tuned">Whether it gets what PyTorch's users have to know of: AVX-512 (an opt-in of this version) and jemalloc.</param>
public sealed record PeerMode(string Name, string Precision, string Head, string Attention = "linear", bool Tuned = false)
{
    /// <summary>Those that the goals are counted against, one of each precision.</summary>
    public static IReadOnlyList<PeerMode> Strongest => [.. All.DistinctBy(mode => mode.Precision)];

    /// <summary>Those that are measured; the first of each precision is the one that the goals are counted against.</summary>
    public static IReadOnlyList<PeerMode> All { get; } =
    [
        new("PyTorch fp32, LM head on masked positions", "fp32", "masked"),
        new("PyTorch fp32, LM head on all positions", "fp32", "all"),
        new("PyTorch fp32, masked, AVX-512 and jemalloc", "fp32", "masked", Tuned: true),
        new("PyTorch bf16 autocast, LM head on masked positions", "bf16", "masked"),
        new("PyTorch bf16 autocast, LM head on all positions", "bf16", "all"),
        new("PyTorch bf16 autocast, masked, AVX-512 and jemalloc", "bf16", "masked", Tuned: true),
        new("PyTorch bf16 autocast, masked, full attention", "bf16", "masked", Attention: "full"),
    ];
}

/// <summary>Runs bench/pretraining-peer: PyTorch's DistributedDataParallel over Gloo, one thread a rank.</summary>
internal static class PeerRun
{
    // Debian's, for which python3-torch is made; another python may come first in PATH.
    internal const string Python = "/usr/bin/python3";

    internal static readonly string? Jemalloc = Directory.EnumerateDirectories("/usr/lib")
        .Select(folder => Path.Combine(folder, "libjemalloc.so.2"))
        .FirstOrDefault(File.Exists);

    /// <summary>Trains; gives the tokens per second of all ranks, and the most memory that one ever had.</summary>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public static async Task<(double TokensPerSecond, long PeakBytes)> MeasureAsync(
        PretrainingShape shape, PeerMode mode, int ranks, int warmup, int steps, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(Python)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(Path.Combine(Repository.Root(), "bench", "pretraining-peer", "train.py"));
        foreach (var argument in Arguments(shape, mode, ranks, warmup, steps))
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["OMP_NUM_THREADS"] = "1";
        start.Environment["OPENBLAS_NUM_THREADS"] = "1";
        if (mode.Tuned)
        {
            start.Environment["ATEN_CPU_CAPABILITY"] = "avx512"; // ignored where the processor has none
            start.Environment["LD_PRELOAD"] = Jemalloc;
        }

        using var process = Process.Start(start)!;
        using var ended = cancellationToken.Register(() => process.Kill(entireProcessTree: true));
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        var output = await process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None);
        cancellationToken.ThrowIfCancellationRequested();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"The peer ({mode.Name}) failed:\n{await errors}");
        }

        using var result = JsonDocument.Parse(output);
        return (result.RootElement.GetProperty("tokensPerSecond")[0].GetDouble(), result.RootElement.GetProperty("peakBytes").GetInt64());
    }

    private static string[] Arguments(PretrainingShape shape, PeerMode mode, int ranks, int warmup, int steps) =>
        FormattableString.Invariant(
            $"""
            --vocabulary {shape.Vocabulary} --hidden {shape.Hidden} --layers {shape.Layers} --heads {shape.Heads}
            --feed-forward {shape.FeedForward} --length {shape.Length} --projected {shape.Projected} --dropout {shape.Dropout}
            --batch {shape.Batch} --ranks {ranks} --precision {mode.Precision} --head {mode.Head} --attention {mode.Attention}
            --warmup {warmup} --windows 1 --window-steps {steps}
            """)
        .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
}
