using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Linformer.Bench.Pretraining;
using Linformer.Worker.Local;

namespace Linformer.Bench.Attention;

/// <summary>What <see cref="AttentionBenchmark"/> measures.</summary>
public sealed record AttentionBenchmarkOptions
{
    /// <summary>Lengths of sequences, n.</summary>
    public IReadOnlyList<int> Lengths { get; init; } = [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536];

    /// <summary>Projected dimensions, k.</summary>
    public IReadOnlyList<int> Projected { get; init; } = [128, 256];

    /// <summary>fp32, bf16 or both.</summary>
    public IReadOnlyList<string> Precisions { get; init; } = ["fp32", "bf16"];

    /// <summary>The longest sequence for which full attention is measured; beyond it, its time and memory are extrapolated.</summary>
    public int FullUntil { get; init; } = 8192;

    /// <summary>How often each is measured, in a process of its own; they take turns.</summary>
    public int Runs { get; init; } = 1;

    /// <summary>How long each is measured in a run, in seconds: forward alone, and with backward.</summary>
    public double Seconds { get; init; } = 1;

    /// <summary>Told how it goes.</summary>
    public Action<string> OnLine { get; init; } = _ => { };
}

/// <summary>Whose layer.</summary>
public enum AttentionKind
{
    /// <summary>This product's, fused.</summary>
    Ours,

    /// <summary>A plain Linformer layer in PyTorch, with jemalloc as it comes.</summary>
    PyTorch,

    /// <summary>The same with jemalloc's settings as this product's ranks have them.</summary>
    PyTorchKeepingMemory,

    /// <summary>Full attention in PyTorch.</summary>
    PyTorchFull,
}

/// <summary>What a layer costs at a length.</summary>
/// <param name="Kind">Whose it is.</param>
/// <param name="Precision">fp32 or bf16.</param>
/// <param name="Projected">k; null for full attention.</param>
/// <param name="Length">n.</param>
/// <param name="Forward">Microseconds a token of a forward pass, by run.</param>
/// <param name="Both">The same of a forward and backward pass.</param>
/// <param name="ForwardBytes">Memory of a forward pass for each token.</param>
/// <param name="BothBytes">Memory of a forward and backward pass for each token.</param>
public sealed record AttentionMeasure(
    AttentionKind Kind, string Precision, int? Projected, int Length, IReadOnlyList<double> Forward, IReadOnlyList<double> Both, double ForwardBytes, double BothBytes)
{
    /// <summary>Whether it is not measured, but follows from shorter sequences.</summary>
    public bool Extrapolated { get; init; }
}

/// <summary>
/// An attention layer by itself, of hidden 256 and 4 heads on two threads, as sequences grow: this product's, a plain Linformer layer in PyTorch,
/// and full attention in PyTorch. Each is measured in a fresh process.
/// </summary>
public static class AttentionBenchmark
{
    // As many in a call whatever the length, so that what a call costs by itself weighs alike.
    private const int TokensOfCall = 8192;

    private const double MillionSeconds = 0.1;
    private const int Million = 1_000_000;

    /// <summary>Measures.</summary>
    /// <param name="options">What.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="InvalidOperationException">One of those that are measured failed.</exception>
    public static async Task<IReadOnlyList<AttentionMeasure>> RunAsync(AttentionBenchmarkOptions options, CancellationToken cancellationToken)
    {
        var measures = new List<AttentionMeasure>();
        foreach (var length in options.Lengths)
        {
            var layers = options.Precisions.SelectMany(precision => Layers(options, length, precision)).ToList();
            var samples = layers.ConvertAll(_ => new List<AttentionSample>());
            for (var run = 0; run < options.Runs; run++)
            {
                for (var layer = 0; layer < layers.Count; layer++)
                {
                    var (kind, order) = layers[layer];
                    samples[layer].Add(await MeasureAsync(kind, order, cancellationToken));
                }
            }

            foreach (var ((kind, order), of) in layers.Zip(samples))
            {
                measures.Add(Measure(kind, order, of));
                options.OnLine(string.Create(
                    CultureInfo.InvariantCulture, $"n {length}, {AttentionTables.Name(measures[^1])}: {Spread.Of(measures[^1].Forward).Median:0.00} µs a token forward, {Spread.Of(measures[^1].Both).Median:0.00} with backward"));
            }
        }

        return [.. measures, .. Extrapolated(options, measures)];
    }

    /// <summary>One sequence of a million tokens, forward and backward.</summary>
    /// <param name="precision">fp32 or bf16.</param>
    /// <param name="projected">k.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public static async Task<AttentionMeasure> RunMillionAsync(string precision, int projected, CancellationToken cancellationToken)
    {
        var order = new AttentionOrder(precision, Million, projected, Batch: 1, MillionSeconds);
        return Measure(AttentionKind.Ours, order, [await MeasureAsync(AttentionKind.Ours, order, cancellationToken)]);
    }

    private static IEnumerable<(AttentionKind Kind, AttentionOrder Order)> Layers(AttentionBenchmarkOptions options, int length, string precision)
    {
        var order = new AttentionOrder(precision, length, 0, Math.Max(1, TokensOfCall / length), options.Seconds);
        foreach (var k in options.Projected.Where(k => k <= length))
        {
            yield return (AttentionKind.Ours, order with { Projected = k });
            yield return (AttentionKind.PyTorch, order with { Projected = k });
            yield return (AttentionKind.PyTorchKeepingMemory, order with { Projected = k });
        }

        if (length <= options.FullUntil)
        {
            yield return (AttentionKind.PyTorchFull, order);
        }
    }

    private static AttentionMeasure Measure(AttentionKind kind, AttentionOrder order, List<AttentionSample> samples)
    {
        double tokens = order.Batch * order.Length;
        List<double> Microseconds(Func<AttentionSample, IReadOnlyList<double>> seconds) =>
            samples.ConvertAll(sample => 1e6 * Spread.Of(seconds(sample)).Median / tokens);
        return new AttentionMeasure(
            kind,
            order.Precision,
            kind == AttentionKind.PyTorchFull ? null : order.Projected,
            order.Length,
            Microseconds(sample => sample.ForwardSeconds),
            Microseconds(sample => sample.BothSeconds),
            samples.Max(sample => sample.ForwardBytes) / tokens,
            samples.Max(sample => sample.BothBytes) / tokens);
    }

    // What a token costs grows with the length: as a + b·n, from the two longest that were measured.
    private static IEnumerable<AttentionMeasure> Extrapolated(AttentionBenchmarkOptions options, List<AttentionMeasure> measures)
    {
        foreach (var precision in options.Precisions)
        {
            var full = measures.Where(measure => measure.Kind == AttentionKind.PyTorchFull && measure.Precision == precision).OrderBy(measure => measure.Length).ToList();
            foreach (var length in options.Lengths.Where(length => full.Count > 1 && length > full[^1].Length))
            {
                double At(Func<AttentionMeasure, double> of) => Line(full[^2].Length, of(full[^2]), full[^1].Length, of(full[^1]), length);
                yield return new AttentionMeasure(
                    AttentionKind.PyTorchFull,
                    precision,
                    null,
                    length,
                    [At(measure => Spread.Of(measure.Forward).Median)],
                    [At(measure => Spread.Of(measure.Both).Median)],
                    At(measure => measure.ForwardBytes),
                    At(measure => measure.BothBytes))
                { Extrapolated = true };
            }
        }
    }

    // Through two points; a slope that noise made steeper than proportional counts as proportional.
    private static double Line(double n1, double cost1, double n2, double cost2, double n) =>
        cost2 + (Math.Clamp((cost2 - cost1) / (n2 - n1), 0, cost2 / n2) * (n - n2));

    private static async Task<AttentionSample> MeasureAsync(AttentionKind kind, AttentionOrder order, CancellationToken cancellationToken)
    {
        var start = kind == AttentionKind.Ours ? OurProcess(order) : PeerProcess(kind, order);
        start.Environment["OMP_NUM_THREADS"] = start.Environment["OPENBLAS_NUM_THREADS"] = AttentionOrder.Threads.ToString(CultureInfo.InvariantCulture);
        start.Environment["LD_PRELOAD"] = PeerRun.Jemalloc;
        if (kind is AttentionKind.Ours or AttentionKind.PyTorchKeepingMemory)
        {
            start.Environment["MALLOC_CONF"] = RankAllocator.Settings;
        }

        start.RedirectStandardOutput = start.RedirectStandardError = true;
        using var process = Process.Start(start)!;
        using var ended = cancellationToken.Register(() => process.Kill(entireProcessTree: true));
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        var output = await process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None);
        cancellationToken.ThrowIfCancellationRequested();
        return process.ExitCode == 0
            ? JsonSerializer.Deserialize<AttentionSample>(output, JsonSerializerOptions.Web)!
            : throw new InvalidOperationException($"{kind} at n = {order.Length} failed with {process.ExitCode}:\n{await errors}");
    }

    private static ProcessStartInfo OurProcess(AttentionOrder order) => new(
        "dotnet",
        ["exec", typeof(AttentionBenchmark).Assembly.Location, AttentionLayer.Command, JsonSerializer.Serialize(order)]);

    private static ProcessStartInfo PeerProcess(AttentionKind kind, AttentionOrder order) => new(
        PeerRun.Python,
        FormattableString.Invariant(
            $"""
            {Path.Combine(Repository.Root(), "bench", "attention-peer", "measure.py")}
            --kind {(kind == AttentionKind.PyTorchFull ? "full" : "linear")} --precision {order.Precision} --hidden {AttentionOrder.Hidden}
            --heads {AttentionOrder.Heads} --length {order.Length} --projected {Math.Max(1, order.Projected)} --batch {order.Batch}
            --threads {AttentionOrder.Threads} --seconds {order.Seconds}
            """)
        .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
