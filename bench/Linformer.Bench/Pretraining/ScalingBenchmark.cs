using System.Globalization;
using Linformer.Chaos.Network;
using Linformer.Protocol;

namespace Linformer.Bench.Pretraining;

/// <summary>What <see cref="ScalingBenchmark"/> measures.</summary>
public sealed record ScalingBenchmarkOptions
{
    /// <summary>What is trained; the batch of a rank stays the same, whatever the number of ranks.</summary>
    public required PretrainingShape Shape { get; init; }

    /// <summary>fp32, bf16 or both.</summary>
    public IReadOnlyList<string> Precisions { get; init; } = ["fp32", "bf16"];

    /// <summary>Every link there is: this machine's loopback, and 1 Gbit/s.</summary>
    public static IReadOnlyList<string> AllLinks { get; } = ["loopback", "narrow"];

    /// <summary>Of <see cref="AllLinks"/>.</summary>
    public IReadOnlyList<string> Links { get; init; } = AllLinks;

    /// <summary>How often each is measured; they take turns.</summary>
    public int Runs { get; init; } = 5;

    /// <summary>Steps that warm up.</summary>
    public int Warmup { get; init; } = 5;

    /// <summary>Steps of a run that are measured.</summary>
    public int Steps { get; init; } = 20;

    /// <summary>Told how it goes.</summary>
    public Action<string> OnLine { get; init; } = _ => { };
}

/// <summary>Two ranks beside one.</summary>
/// <param name="Link">What the ranks speak over.</param>
/// <param name="Precision">fp32 or bf16.</param>
/// <param name="Wire">The format of gradients on the wire.</param>
/// <param name="Overlap">Whether gradients travelled while backward went on.</param>
/// <param name="Efficiencies">By run: a step's time with one rank over that with two, as each rank does the same.</param>
/// <param name="Processor">By run: the same of the processor's time of a rank.</param>
/// <param name="Ceilings">By run: the efficiency of two ranks that train at the same time without speaking with each other.</param>
public sealed record ScalingMeasure(
    string Link, string Precision, string Wire, bool Overlap, IReadOnlyList<double> Efficiencies, IReadOnlyList<double> Processor, IReadOnlyList<double> Ceilings);

/// <summary>Two ranks of one core each beside one rank of one core: over loopback, and over a link of 1 Gbit/s.</summary>
public static class ScalingBenchmark
{
    private const int Ranks = 2;
    private const int LinkKilobits = 1_000_000;
    private const string Loopback = "loopback";
    private const string Link = "1 Gbit/s";

    private static readonly (string Wire, bool Overlap)[] Ways = [("fp32", true), ("fp32", false), ("bf16", true), ("bf16", false)];

    /// <summary>Measures.</summary>
    /// <param name="options">What.</param>
    /// <param name="cancellationToken">Ends it between two runs.</param>
    /// <exception cref="InvalidOperationException">A rank failed, or the network cannot be made.</exception>
    public static IReadOnlyList<ScalingMeasure> Run(ScalingBenchmarkOptions options, CancellationToken cancellationToken)
    {
        using var storage = new PretrainingStorage();
        using var network = MachineNetwork.IsPossible ? new MachineNetwork(Ranks) : null;
        for (var machine = 0; machine < Ranks; machine++)
        {
            network?.Narrow(machine, LinkKilobits);
        }

        if (network is null)
        {
            options.OnLine("only over loopback: a link between network namespaces needs root, ip and tc");
        }

        var measures = new List<ScalingMeasure>();
        foreach (var precision in options.Precisions)
        {
            foreach (var link in options.Links.Where(link => link == Loopback || network is not null))
            {
                measures.AddRange(link == Loopback
                    ? Measure(options, storage, precision, Loopback, null, cancellationToken)
                    : Measure(options, storage, precision, Link, network, cancellationToken));
            }
        }

        return measures;
    }

    /// <summary>For reading.</summary>
    /// <param name="shape">What was trained.</param>
    /// <param name="measures">The results.</param>
    public static BenchTable Table(PretrainingShape shape, IReadOnlyList<ScalingMeasure> measures) => new(
        $"Two ranks of one core beside one: efficiency, the same batch a rank ({shape})",
        ["link", "precision", "wire", "overlap", "efficiency", "ceiling", "of the ceiling", "processor time", "goal"],
        [.. measures.Select(measure => (IReadOnlyList<string>)
        [
            measure.Link, measure.Precision, measure.Wire, measure.Overlap ? "yes" : "no", Percent(Spread.Of(measure.Efficiencies)),
            Percent(Spread.Of(measure.Ceilings)), Percent(Spread.Of(measure.Efficiencies.Zip(measure.Ceilings, (own, most) => own / most))),
            Percent(Spread.Of(measure.Processor)), Goal(measure),
        ])])
    {
        Notes =
        [
            "Efficiency: a step's time with one rank, over a step's time with two, in the same turn.",
            "Ceiling: the same where both ranks train at the same time, but each by itself, in the same run: what is lost there is the machine's.",
            "Processor time: that of a rank in a step, one rank over two. It is less sensitive to what else the machine does.",
        ],
    };

    private static List<ScalingMeasure> Measure(
        ScalingBenchmarkOptions options, PretrainingStorage storage, string precision, string link, MachineNetwork? network, CancellationToken cancellationToken)
    {
        // All are there at the same time and take turns, so that what else the machine does meets all alike.
        var running = new List<Way>();
        var ceilings = new List<double>();
        using var one = new TrainerRanks(Job(options, precision, ranks: 1, "fp32"), storage.Root, ranks: 1);
        using var apart = new TrainerRanks(Job(options, precision, ranks: 1, "fp32"), storage.Root, Ranks, together: false);
        try
        {
            one.Train(options.Warmup);
            apart.Train(options.Warmup);
            foreach (var (wire, overlap) in Ways)
            {
                var job = Job(options, precision, Ranks, wire);
                running.Add(new Way(wire, overlap, new TrainerRanks(job, storage.Root, Ranks, network is null ? null : rank => (network.On(rank), MachineNetwork.Address(rank)), overlap), [], []));
                running[^1].Ranks.Train(options.Warmup);
            }

            for (var run = 1; run <= options.Runs; run++)
            {
                ceilings.Add(Efficiency(one, apart, options.Steps).Wall);
                options.OnLine(string.Create(CultureInfo.InvariantCulture, $"run {run} of {options.Runs}, {precision}, each by itself: {100 * ceilings[^1]:0.0} %"));
                foreach (var way in running)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    var (wall, processor) = Efficiency(one, way.Ranks, options.Steps);
                    way.Efficiencies.Add(wall);
                    way.Processor.Add(processor);
                    options.OnLine(string.Create(
                        CultureInfo.InvariantCulture,
                        $"run {run} of {options.Runs}, {link}, {precision}, {way.Wire} on the wire, {(way.Overlap ? "with" : "without")} overlap: {100 * wall:0.0} %, of processor time {100 * processor:0.0} %"));
                }
            }
        }
        finally
        {
            running.ForEach(way => way.Ranks.Dispose());
        }

        return [.. running.Select(way => new ScalingMeasure(link, precision, way.Wire, way.Overlap, way.Efficiencies, way.Processor, ceilings))];
    }

    private static (double Wall, double Processor) Efficiency(TrainerRanks one, TrainerRanks several, int steps)
    {
        var (alone, all) = (one.StepSeconds(steps), several.StepSeconds(steps));
        return (alone.Wall / all.Wall, alone.Processor / all.Processor);
    }

    private static JobFile Job(ScalingBenchmarkOptions options, string precision, int ranks, string wire) =>
        TrainerRanks.Parse(PretrainingStorage.JobFile("scaling", options.Shape, new PretrainingJob(1_000_000, ranks, precision) { Wire = wire }));

    private static string Goal(ScalingMeasure measure) => measure switch
    {
        { Link: Loopback, Overlap: true, Precision: "fp32", Wire: "fp32" } => Verdict(measure, 0.95),
        { Link: Loopback, Overlap: true, Precision: "bf16", Wire: "bf16" } => Verdict(measure, 0.90),
        _ => "",
    };

    private static string Verdict(ScalingMeasure measure, double goal) =>
        string.Create(CultureInfo.InvariantCulture, $"{100 * goal:0} %: {(Spread.Of(measure.Efficiencies).Median >= goal ? "reached" : "not reached")}");

    private static string Percent(Spread spread) => $"{new Spread(100 * spread.Median, 100 * spread.Least, 100 * spread.Most).Text("0.0")} %";

    private sealed record Way(string Wire, bool Overlap, TrainerRanks Ranks, List<double> Efficiencies, List<double> Processor);
}
