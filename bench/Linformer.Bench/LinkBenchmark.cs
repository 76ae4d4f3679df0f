using System.Diagnostics;
using Linformer.Chaos.Network;
using Linformer.Training.ProcessGroups;
using TorchSharp;

namespace Linformer.Bench;

/// <summary>What <see cref="LinkBenchmark"/> measures.</summary>
public sealed record LinkBenchmarkOptions
{
    /// <summary>Ranks, each on a machine of its own: a network namespace.</summary>
    public int Ranks { get; init; } = 2;

    /// <summary>What the link of each machine lets through, in megabits per second.</summary>
    public int Megabits { get; init; } = 1000;

    /// <summary>Bytes of all gradients; a multiple of 4 times the number of buckets.</summary>
    public long Bytes { get; init; } = 22 << 20;

    /// <summary>Buckets in which they travel.</summary>
    public int Buckets { get; init; } = 8;

    /// <summary>How often each way is run; the median counts.</summary>
    public int Repetitions { get; init; } = 5;
}

/// <summary>How a step goes about its all-reduce.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Step">The time of a step.</param>
/// <param name="Hidden">Share of the time that float32 at the end costs beside the computing, which this way does not cost; of one to which that does not apply, NaN.</param>
public sealed record LinkResult(string Name, TimeSpan Step, double Hidden);

/// <summary>
/// Measures steps that compute as long as float32 travels, over links of a given width: with the all-reduce at the end, bucket by bucket
/// while the step computes, and both with bfloat16 on the wire. Needs root: the machines are network namespaces.
/// </summary>
public static class LinkBenchmark
{
    /// <summary>The first argument with which this program starts itself as a rank.</summary>
    public const string RankCommand = "link-rank";

    private const string AtEnd = "end";
    private const string Overlapped = "overlap";
    private const string ComputeOnly = "none";
    private const int Steps = 3;
    private const int MatrixSize = 192;

    /// <summary>Whether this user may measure on this machine.</summary>
    public static bool IsPossible => MachineNetwork.IsPossible;

    /// <summary>Measures, and prints a table.</summary>
    /// <param name="options">What to measure.</param>
    /// <param name="output">Gets the table.</param>
    /// <param name="cancellationToken">Stops between two runs.</param>
    /// <exception cref="InvalidOperationException">The machines cannot be made, or a rank has failed.</exception>
    public static IReadOnlyList<LinkResult> Run(LinkBenchmarkOptions options, TextWriter output, CancellationToken cancellationToken = default)
    {
        var folder = Directory.CreateTempSubdirectory("linformer-bench-").FullName;
        try
        {
            using var network = new MachineNetwork(options.Ranks);
            for (var machine = 0; machine < options.Ranks; machine++)
            {
                network.Narrow(machine, options.Megabits * 1000);
            }

            using var ranks = new RankProcesses(
                options.Ranks,
                rank =>
                [
                    .. network.On(rank), "dotnet", "exec", typeof(LinkBenchmark).Assembly.Location, RankCommand, $"{rank}", $"{options.Ranks}", folder,
                    MachineNetwork.Address(rank), $"{options.Buckets}",
                ]);
            return Measure(options, ranks, output, cancellationToken);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>
    /// One rank: for each line "bytes steps way wire products" of the input, runs so many steps of so many matrix products a bucket,
    /// and writes the seconds that they took.
    /// </summary>
    /// <param name="rank">Its number.</param>
    /// <param name="ranks">The number of ranks.</param>
    /// <param name="folder">Where the ranks meet.</param>
    /// <param name="address">Its machine's address.</param>
    /// <param name="buckets">Buckets of a step.</param>
    /// <param name="input">The lines.</param>
    /// <param name="output">The answers.</param>
    public static void RunRank(int rank, int ranks, string folder, string address, int buckets, TextReader input, TextWriter output)
    {
        using var group = new GlooProcessGroup(rank, ranks, generation: 1, new FileRendezvousStore(folder), new GlooOptions { BindAddress = address });
        using var matrix = torch.ones([MatrixSize, MatrixSize]);
        while (input.ReadLine()?.Split(' ') is [var bytes, var steps, var way, var format, var products])
        {
            using var gradients = torch.ones(long.Parse(bytes) / sizeof(float));
            var parts = gradients.chunk(buckets, 0);
            var wire = Enum.Parse<WireFormat>(format);
            group.Barrier().Wait();
            var start = Stopwatch.GetTimestamp();
            for (var step = int.Parse(steps); step > 0; step--)
            {
                Step(group, parts, way, wire, () => Compute(matrix, int.Parse(products)));
            }

            output.WriteLine(Stopwatch.GetElapsedTime(start).TotalSeconds);
            output.Flush();
            Array.ForEach(parts, part => part.Dispose());
        }
    }

    private static void Step(GlooProcessGroup group, torch.Tensor[] parts, string way, WireFormat wire, Action compute)
    {
        var works = new List<IWork>();
        foreach (var part in parts)
        {
            compute();
            if (way == Overlapped)
            {
                works.Add(group.AllReduce(part, wire: wire));
            }
        }

        if (way == AtEnd)
        {
            works.AddRange(parts.Select(part => group.AllReduce(part, wire: wire)));
        }

        works.ForEach(work => work.Wait());
    }

    private static void Compute(torch.Tensor matrix, int products)
    {
        using var noGrad = torch.no_grad();
        for (var i = 0; i < products; i++)
        {
            torch.matmul(matrix, matrix).Dispose();
        }
    }

    private static List<LinkResult> Measure(LinkBenchmarkOptions options, RankProcesses ranks, TextWriter output, CancellationToken cancellationToken)
    {
        double Time(string way, WireFormat wire, int products) => ranks.Run(options.Bytes, Steps, way, $"{wire}", $"{products}") / Steps;

        const int Probe = 50;
        Time(AtEnd, WireFormat.Full, products: 1);
        var (travelling, probe) = (Time(AtEnd, WireFormat.Full, products: 0), Time(ComputeOnly, WireFormat.Full, Probe));
        var products = (int)Math.Max(1, Probe * travelling / probe);
        output.WriteLine($"steps that all-reduce {options.Bytes} bytes of float32 in {options.Buckets} buckets, {options.Ranks} ranks, links of {options.Megabits} Mbit/s, median of {options.Repetitions} runs");
        (string Name, string Way, WireFormat Wire)[] ways =
        [
            ("computing alone", ComputeOnly, WireFormat.Full), ("float32, at the end", AtEnd, WireFormat.Full), ("float32, overlapped", Overlapped, WireFormat.Full),
            ("bf16, at the end", AtEnd, WireFormat.BFloat16), ("bf16, overlapped", Overlapped, WireFormat.BFloat16),
        ];
        var times = ways.Select(_ => new List<double>()).ToArray();
        for (var repetition = 0; repetition < options.Repetitions; repetition++)
        {
            for (var i = 0; i < ways.Length; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                times[i].Add(Time(ways[i].Way, ways[i].Wire, products));
            }
        }

        var medians = times.Select(all => all.Order().ElementAt(all.Count / 2)).ToArray();
        var results = ways.Select((way, i) => new LinkResult(
            way.Name, TimeSpan.FromSeconds(medians[i]), i < 2 ? double.NaN : (medians[1] - medians[i]) / (medians[1] - medians[0]))).ToList();
        foreach (var result in results)
        {
            output.WriteLine($"{result.Name,20}  {result.Step.TotalMilliseconds,7:0} ms a step  {(double.IsNaN(result.Hidden) ? "" : $"{result.Hidden,6:0%} of the communication hidden or saved")}");
        }

        return results;
    }
}
