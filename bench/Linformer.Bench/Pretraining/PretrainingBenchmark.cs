using System.Globalization;
using Linformer.Data;
using Linformer.Protocol;
using Linformer.Worker.Local;

namespace Linformer.Bench.Pretraining;

/// <summary>What <see cref="PretrainingBenchmark"/> measures.</summary>
public sealed record PretrainingBenchmarkOptions
{
    /// <summary>The program and arguments of a rank process.</summary>
    public required (string Command, IReadOnlyList<string> Arguments) RankProgram { get; init; }

    /// <summary>What is trained.</summary>
    public required PretrainingShape Shape { get; init; }

    /// <summary>fp32, bf16 or both.</summary>
    public IReadOnlyList<string> Precisions { get; init; } = ["fp32", "bf16"];

    /// <summary>Ranks of one thread each.</summary>
    public int Ranks { get; init; } = 2;

    /// <summary>Ways in which the peer trains.</summary>
    public IReadOnlyList<PeerMode> Peers { get; init; } = PeerMode.All;

    /// <summary>How often each is run; they take turns.</summary>
    public int Runs { get; init; } = 3;

    /// <summary>Steps that warm up.</summary>
    public int Warmup { get; init; } = 5;

    /// <summary>Steps of a run that are measured.</summary>
    public int Steps { get; init; } = 20;

    /// <summary>Told how it goes.</summary>
    public Action<string> OnLine { get; init; } = _ => { };
}

/// <summary>What was measured of one that trains.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Precision">fp32 or bf16.</param>
/// <param name="TokensPerSecond">Of all ranks, by run; null where a run failed.</param>
public sealed record PretrainingMeasure(string Name, string Precision, IReadOnlyList<double?> TokensPerSecond)
{
    /// <summary>Whether it is this product.</summary>
    public bool IsOurs { get; init; }

    /// <summary>Why a run failed; null when none did.</summary>
    public string? Failure { get; init; }

    /// <summary>Tokens per second; null when no run succeeded.</summary>
    public Spread? Speed => TokensPerSecond.OfType<double>().ToList() is { Count: > 0 } speeds ? Spread.Of(speeds) : null;
}

/// <summary>The results.</summary>
/// <param name="Shape">What was trained.</param>
/// <param name="Ranks">By how many ranks.</param>
/// <param name="FlopsPerToken">Operations of a token, see <see cref="PretrainingShape.FlopsPerToken"/>.</param>
/// <param name="Measures">By who trained.</param>
/// <param name="Peaks">The machine's peak in FLOP/s on as many cores, by precision and run.</param>
public sealed record PretrainingResult(
    PretrainingShape Shape, int Ranks, double FlopsPerToken, IReadOnlyList<PretrainingMeasure> Measures, IReadOnlyDictionary<string, IReadOnlyList<double>> Peaks)
{
    /// <summary>For reading: ratios first.</summary>
    public IReadOnlyList<BenchTable> Tables() => [Ratios(), Speeds()];

    private BenchTable Ratios()
    {
        var ours = Measures.Where(measure => measure.IsOurs).ToList();
        var rows = Measures.Where(measure => !measure.IsOurs)
            .Select(peer => (IReadOnlyList<string>)[peer.Name, .. ours.Select(own => Spread.OfRatios(own.TokensPerSecond, peer.TokensPerSecond)?.Text("0.0") ?? "–")])
            .ToList();
        return new BenchTable($"How many times the peer's tokens per second ({Ranks} ranks; {Shape})", ["peer", .. ours.Select(own => own.Name)], rows)
        {
            Notes =
            [
                .. Goal("fp32", 3), .. Goal("bf16", 4),
                "Each ratio is of neighbouring runs; the median of them, and how far they lie apart.",
            ],
        };
    }

    // The peer with its head on masked positions is the stronger one.
    private IEnumerable<string> Goal(string precision, double goal)
    {
        var own = Measures.FirstOrDefault(measure => measure.IsOurs && measure.Precision == precision);
        var peer = Measures.FirstOrDefault(measure => !measure.IsOurs && measure.Precision == precision);
        if (own is not null && peer is not null && Spread.OfRatios(own.TokensPerSecond, peer.TokensPerSecond) is { } ratio)
        {
            var reached = ratio.Median >= goal ? "reached" : "not reached";
            yield return string.Create(CultureInfo.InvariantCulture, $"{precision}: {ratio.Median:0.0} times {peer.Name}; the goal, {goal:0} times, is {reached}.");
        }
    }

    private BenchTable Speeds() => new(
        "Speed",
        ["", "tokens/s", "model GFLOP/s", "share of the peak"],
        [.. Measures.Select(Row), .. Peaks.Select(PeakRow)])
    {
        Notes =
        [
            string.Create(CultureInfo.InvariantCulture, $"Model FLOP: {FlopsPerToken / 1e6:0.0} million a token: matrix products only, backward twice forward, attention as in the paper's equation 7, the head for predicted tokens (15 %) only."),
            "Peak: a 4096×512×512 product through oneDNN on as many cores at once, in the same precision, beside each run.",
            .. Measures.Where(measure => measure.Failure is not null).Select(measure => $"{measure.Name}: not measured: {measure.Failure}"),
        ],
    };

    private IReadOnlyList<string> Row(PretrainingMeasure measure)
    {
        if (measure.Speed is not { } speed)
        {
            return [measure.Name, "–", "–", "–"];
        }

        var shares = Spread.OfRatios(
            measure.TokensPerSecond.Select(value => value * FlopsPerToken),
            Peaks.GetValueOrDefault(measure.Precision, []).Select(value => (double?)value));
        var gigaflops = string.Create(CultureInfo.InvariantCulture, $"{speed.Median * FlopsPerToken / 1e9:0.0}");
        return [measure.Name, speed.Text("#,0"), gigaflops, shares is null ? "–" : string.Create(CultureInfo.InvariantCulture, $"{100 * shares.Median:0.0} %")];
    }

    private static IReadOnlyList<string> PeakRow(KeyValuePair<string, IReadOnlyList<double>> peak) =>
        [$"matrix products, {peak.Key}", "", Spread.Of(peak.Value.Select(value => value / 1e9)).Text("0"), "100 %"];
}

/// <summary>
/// Pretrains a masked language model with this product and with PyTorch's DistributedDataParallel in turns: as many ranks of one
/// thread, the same shape, batch and optimizer.
/// </summary>
public static class PretrainingBenchmark
{
    /// <summary>Measures.</summary>
    /// <param name="options">What.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="InvalidOperationException">The peer or the peak cannot be measured.</exception>
    public static async Task<PretrainingResult> RunAsync(PretrainingBenchmarkOptions options, CancellationToken cancellationToken)
    {
        using var storage = new PretrainingStorage();
        var product = new ProductRun(storage, options.Shape, options.RankProgram);
        using var peak = new MatrixPeak(options.Ranks, threads: 1, TextWriter.Null);
        options.OnLine("preparing the corpus …");
        await product.PrepareAsync(cancellationToken);
        var contestants = Contestants(options, product);
        var peaks = options.Precisions.ToDictionary(precision => precision, _ => new List<double>());
        for (var run = 1; run <= options.Runs; run++)
        {
            foreach (var precision in options.Precisions)
            {
                peaks[precision].Add(peak.Measure(precision));
                foreach (var contestant in contestants.Where(contestant => contestant.Precision == precision))
                {
                    await contestant.RunAsync(cancellationToken);
                    options.OnLine($"run {run} of {options.Runs}: {contestant}");
                }
            }
        }

        return new PretrainingResult(
            options.Shape, options.Ranks, options.Shape.FlopsPerToken, [.. contestants.Select(contestant => contestant.Measure)],
            peaks.ToDictionary(pair => pair.Key, pair => (IReadOnlyList<double>)pair.Value));
    }

    private static List<Contestant> Contestants(PretrainingBenchmarkOptions options, ProductRun product)
    {
        var tokens = (double)options.Shape.Batch * options.Shape.Length * options.Ranks;
        return
        [
            .. options.Precisions.Select(precision => new Contestant($"linformer {precision}", precision, isOurs: true, async cancellation =>
                tokens * await product.MeasureAsync(precision, options.Ranks, options.Warmup, options.Steps, cancellation))),
            .. options.Peers.Where(mode => options.Precisions.Contains(mode.Precision)).Select(mode => new Contestant(mode.Name, mode.Precision, isOurs: false, async cancellation =>
                (await PeerRun.MeasureAsync(options.Shape, mode, options.Ranks, options.Warmup, options.Steps, cancellation)).TokensPerSecond)),
        ];
    }

    /// <summary>One that trains, and what its runs gave. One that cannot run leaves the others their results.</summary>
    private sealed class Contestant(string name, string precision, bool isOurs, Func<CancellationToken, Task<double>> measure)
    {
        private readonly List<double?> _speeds = [];
        private string? _failure;

        public string Precision => precision;

        public PretrainingMeasure Measure => new(name, precision, [.. _speeds]) { IsOurs = isOurs, Failure = _failure };

        public async Task RunAsync(CancellationToken cancellationToken)
        {
            try
            {
                _speeds.Add(_failure is null ? await measure(cancellationToken) : null);
            }
            catch (Exception e) when (e is JobFileException or BadDataException or RankFailedException or InvalidOperationException)
            {
                _failure = e.Message;
                _speeds.Add(null);
            }
        }

        public override string ToString() => _speeds[^1] is { } speed
            ? string.Create(CultureInfo.InvariantCulture, $"{name}: {speed:#,0} tokens/s")
            : $"{name}: {_failure}";
    }
}
