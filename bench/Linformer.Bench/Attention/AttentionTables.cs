using System.Globalization;
using Linformer.Bench.Pretraining;

namespace Linformer.Bench.Attention;

/// <summary>What <see cref="AttentionBenchmark"/> has measured, for reading.</summary>
public static class AttentionTables
{
    private const double FasterThanFull = 100;
    private const double LeanerThanFull = 60;
    private const double SlowerThanBest = 1.2;
    private static readonly Dictionary<string, double> FasterThanPyTorch = new() { ["fp32"] = 1.3, ["bf16"] = 4 };

    /// <summary>Ratios first.</summary>
    /// <param name="measures">What was measured.</param>
    public static IReadOnlyList<BenchTable> Of(IReadOnlyList<AttentionMeasure> measures) =>
    [
        Ratios(measures),
        Costs("Forward: µs a token", measures, measure => Text(Spread.Of(measure.Forward).Median)),
        Costs("Forward and backward: µs a token", measures, measure => Text(Spread.Of(measure.Both).Median)),
        Costs("Memory of a sequence, forward: MB", measures, measure => Megabytes(measure.ForwardBytes * measure.Length)),
        Costs("Memory of a sequence, forward and backward: MB", measures, measure => Megabytes(measure.BothBytes * measure.Length)),
    ];

    /// <summary>A million tokens.</summary>
    /// <param name="measures">What was measured.</param>
    public static BenchTable Million(IReadOnlyList<AttentionMeasure> measures) => new(
        "One sequence of 1,000,000 tokens",
        ["", "forward", "forward and backward", "memory, forward", "memory, with backward"],
        [.. measures.Select(measure => (IReadOnlyList<string>)
        [
            Name(measure), Seconds(measure, measure.Forward), Seconds(measure, measure.Both), Gigabytes(measure.ForwardBytes * measure.Length), Gigabytes(measure.BothBytes * measure.Length),
        ])]);

    /// <summary>Whose layer it is.</summary>
    internal static string Name(AttentionMeasure measure) => measure.Kind switch
    {
        AttentionKind.Ours => $"linformer {measure.Precision}, k {measure.Projected}",
        AttentionKind.PyTorch => $"PyTorch {measure.Precision}, k {measure.Projected}",
        AttentionKind.PyTorchKeepingMemory => $"PyTorch {measure.Precision}, k {measure.Projected}, keeping memory",
        _ => $"PyTorch {measure.Precision}, full attention",
    };

    private static BenchTable Ratios(IReadOnlyList<AttentionMeasure> measures)
    {
        var longest = measures.Max(measure => measure.Length);
        var rows = new List<IReadOnlyList<string>>();
        foreach (var own in measures.Where(measure => measure.Kind == AttentionKind.Ours && measure.Length == longest))
        {
            var same = measures.Where(measure => measure.Precision == own.Precision && measure.Length == longest).ToList();
            AttentionMeasure Peer(AttentionKind kind) => same.First(measure => measure.Kind == kind && measure.Projected == own.Projected);
            var (peer, keeping) = (Peer(AttentionKind.PyTorch), Peer(AttentionKind.PyTorchKeepingMemory));
            var full = same.Find(measure => measure.Kind == AttentionKind.PyTorchFull);
            var lengths = measures.Where(measure => measure.Kind == AttentionKind.Ours && measure.Precision == own.Precision && measure.Projected == own.Projected).ToList();
            rows.Add(
            [
                Name(own),
                $"{Times(own.Forward, peer.Forward)} / {Times(own.Both, peer.Both)}",
                $"{Times(own.Forward, keeping.Forward)} / {Times(own.Both, keeping.Both)}",
                full is null ? "–" : $"{Times(own.Forward, full.Forward, full)} / {Times(own.Both, full.Both, full)}",
                full is null ? "–" : $"{Number(full.ForwardBytes / own.ForwardBytes, full)} / {Number(full.BothBytes / own.BothBytes, full)}",
                $"{OverBest(own, lengths, measure => measure.Forward)} / {OverBest(own, lengths, measure => measure.Both)}",
            ]);
        }

        return new BenchTable(
            string.Create(CultureInfo.InvariantCulture, $"At n = {longest:#,0}, forward / forward and backward"),
            ["", "times PyTorch's Linformer layer", "times the same, keeping memory", "times full attention", "times less memory than it", "time a token over the best n's"],
            rows)
        {
            Notes =
            [
                "Keeping memory: with the settings of jemalloc that linformer's ranks have, by which large blocks are not given back between calls.",
                $"Hidden {AttentionOrder.Hidden}, {AttentionOrder.Heads} heads, {AttentionOrder.Threads} threads, E = F shared by the heads. * extrapolated: what a token costs grows in proportion to n beyond the two longest that were measured.",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"Goals: {FasterThanPyTorch["fp32"]} times PyTorch's in fp32 and {FasterThanPyTorch["bf16"]} in bf16; {FasterThanFull} times as fast as full attention with {LeanerThanFull} times less memory; at most {SlowerThanBest} times the best."),
            ],
        };
    }

    private static string OverBest(AttentionMeasure own, List<AttentionMeasure> lengths, Func<AttentionMeasure, IReadOnlyList<double>> of) =>
        Text(Spread.Of(of(own)).Median / lengths.Min(measure => Spread.Of(of(measure)).Median));

    // By run where both were measured in turns.
    private static string Times(IReadOnlyList<double> own, IReadOnlyList<double> other, AttentionMeasure? full = null)
    {
        var mark = full is { Extrapolated: true } ? "*" : "";
        if (own.Count != other.Count || own.Count == 1)
            return Text(Spread.Of(other).Median / Spread.Of(own).Median) + mark;
        return Spread.Of(own.Zip(other, (a, b) => b / a)).Text("0.0") + mark;
    }

    private static BenchTable Costs(string title, IReadOnlyList<AttentionMeasure> measures, Func<AttentionMeasure, string> cell)
    {
        var lengths = measures.Select(measure => measure.Length).Distinct().Order().ToList();
        var rows = measures.GroupBy(Name).OrderBy(group => group.First().Kind).Select(group => (IReadOnlyList<string>)
        [
            group.Key,
            .. lengths.Select(length => group.FirstOrDefault(measure => measure.Length == length) is { } measure ? cell(measure) + (measure.Extrapolated ? "*" : "") : "–"),
        ]);
        return new BenchTable(title, ["", .. lengths.Select(length => string.Create(CultureInfo.InvariantCulture, $"n = {length:#,0}"))], [.. rows]);
    }

    private static string Number(double value, AttentionMeasure full) => Text(value) + (full.Extrapolated ? "*" : "");

    private static string Text(double value) => value.ToString(value >= 100 ? "#,0" : value >= 10 ? "0.0" : "0.00", CultureInfo.InvariantCulture);

    private static string Megabytes(double bytes) => Text(Math.Max(0, bytes) / 1e6);

    private static string Gigabytes(double bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1 << 30):0.0} GiB");

    private static string Seconds(AttentionMeasure measure, IReadOnlyList<double> microseconds) =>
        string.Create(CultureInfo.InvariantCulture, $"{Spread.Of(microseconds).Median * measure.Length / 1e6:0.0} s");
}
