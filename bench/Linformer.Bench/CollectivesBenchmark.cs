using System.Diagnostics;
using Linformer.Training.ProcessGroups;
using TorchSharp;

namespace Linformer.Bench;

/// <summary>What <see cref="CollectivesBenchmark"/> measures.</summary>
public sealed record CollectivesBenchmarkOptions
{
    /// <summary>Rank processes, all on this machine.</summary>
    public int Ranks { get; init; } = 2;

    /// <summary>The sizes of the buffers in bytes, multiples of 4.</summary>
    public IReadOnlyList<long> Sizes { get; init; } =
        [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20];

    /// <summary>How often each program runs each size; the median counts.</summary>
    public int Repetitions { get; init; } = 9;

    /// <summary>About how long one run takes.</summary>
    public TimeSpan RunTime { get; init; } = TimeSpan.FromMilliseconds(200);
}

/// <summary>The medians for one size.</summary>
/// <param name="Bytes">The size of the buffer.</param>
/// <param name="Bare">The time of one all-reduce in the bare Gloo program.</param>
/// <param name="OverTcp">The time of one in the process group, over TCP as in the bare program.</param>
/// <param name="Ours">The time of one in the process group as it is: ranks of one machine share memory.</param>
/// <param name="Rounded">The time of one in the process group as it is, of which bfloat16 travels.</param>
public sealed record CollectivesResult(long Bytes, TimeSpan Bare, TimeSpan OverTcp, TimeSpan Ours, TimeSpan Rounded)
{
    /// <summary>Bytes of the buffer per second in the bare Gloo program.</summary>
    public double BareBytesPerSecond => Bytes / Bare.TotalSeconds;

    /// <summary>Bytes of the buffer per second in the process group.</summary>
    public double BytesPerSecond => Bytes / Ours.TotalSeconds;

    /// <summary>How many times the bandwidth of the bare Gloo program, over TCP.</summary>
    public double RatioOverTcp => Bare / OverTcp;

    /// <summary>How many times the bandwidth of the bare Gloo program.</summary>
    public double Ratio => Bare / Ours;

    /// <summary>How many times as fast as the process group is with bfloat16 on the wire as with float32.</summary>
    public double RoundedRatio => Ours / Rounded;
}

/// <summary>
/// Measures all-reduce of float32 between ranks of one machine: the product's process group, over TCP and over shared
/// memory, beside a bare Gloo program (bench/gloo-bare), which has TCP alone. All run in as many processes, with one
/// thread that calls; they take turns, so that whatever else the machine does slows all alike.
/// </summary>
public static class CollectivesBenchmark
{
    /// <summary>The first argument with which this program starts itself as a rank.</summary>
    public const string RankCommand = "collectives-rank";

    /// <summary>The last argument of a rank that shares no memory.</summary>
    public const string TcpOnly = "tcp";

    private const int MostIterations = 5000;
    private const string RoundedWire = "bf16";

    /// <summary>Measures, and prints a table as it goes.</summary>
    /// <param name="options">What to measure.</param>
    /// <param name="output">Gets the table.</param>
    /// <param name="cancellationToken">Stops between two runs.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="InvalidOperationException">The bare Gloo program cannot be built, or a rank has failed.</exception>
    public static IReadOnlyList<CollectivesResult> Run(
        CollectivesBenchmarkOptions options, TextWriter output, CancellationToken cancellationToken = default)
    {
        Check(options);
        var bareProgram = BareProgram.Build("gloo-bare", output);
        var folder = Directory.CreateTempSubdirectory("linformer-bench-").FullName;
        try
        {
            using var bare = new RankProcesses(
                options.Ranks, rank => [bareProgram, $"{rank}", $"{options.Ranks}", Subfolder(folder, "bare")]);
            using var overTcp = Ours(options.Ranks, Subfolder(folder, "tcp"), TcpOnly);
            using var ours = Ours(options.Ranks, Subfolder(folder, "ours"));

            output.WriteLine($"all-reduce of float32, {options.Ranks} ranks of one machine, median of {options.Repetitions} runs");
            output.WriteLine("the first two ratios: against bare Gloo; the last: bfloat16 on the wire against float32, of the same elements");
            output.WriteLine($"{"bytes",10}  {"bare Gloo (TCP)",22}  {"linformer, TCP",22}  ratio  {"linformer",22}  ratio  {"linformer, bf16 wire",22}  ratio");
            var results = new List<CollectivesResult>();
            foreach (var bytes in options.Sizes)
            {
                var result = Measure(bytes, bare, overTcp, ours, options, cancellationToken);
                results.Add(result);
                output.WriteLine(
                    $"{bytes,10}  {Speed(result.Bare, result.BareBytesPerSecond)}  " +
                    $"{Speed(result.OverTcp, bytes / result.OverTcp.TotalSeconds)}  {result.RatioOverTcp,5:0.00}  " +
                    $"{Speed(result.Ours, result.BytesPerSecond)}  {result.Ratio,5:0.00}  " +
                    $"{Speed(result.Rounded, bytes / result.Rounded.TotalSeconds)}  {result.RoundedRatio,5:0.00}");
            }

            return results;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>
    /// One rank of the process group: for each line "bytes iterations" of the input, runs so many
    /// all-reduces and writes the seconds that they took. With "bf16" behind it, bfloat16 travels.
    /// </summary>
    /// <param name="rank">Its number.</param>
    /// <param name="ranks">The number of ranks.</param>
    /// <param name="folder">Where the ranks meet.</param>
    /// <param name="overTcp">Whether they share no memory.</param>
    /// <param name="input">The lines.</param>
    /// <param name="output">The answers.</param>
    public static void RunRank(int rank, int ranks, string folder, bool overTcp, TextReader input, TextWriter output)
    {
        using var group = new GlooProcessGroup(rank, ranks, generation: 1, new FileRendezvousStore(folder), new GlooOptions { ShareMemory = !overTcp });
        while (input.ReadLine()?.Split(' ') is [var bytes, var iterations, .. var format])
        {
            var wire = format is [RoundedWire] ? WireFormat.BFloat16 : WireFormat.Full;
            using var buffer = torch.ones(long.Parse(bytes) / sizeof(float));
            group.AllReduce(buffer, wire: wire).Wait();
            group.Barrier().Wait();

            var start = Stopwatch.GetTimestamp();
            for (var i = int.Parse(iterations); i > 0; i--)
            {
                group.AllReduce(buffer, wire: wire).Wait();
            }

            output.WriteLine(Stopwatch.GetElapsedTime(start).TotalSeconds);
            output.Flush();
        }
    }

    private static CollectivesResult Measure(
        long bytes,
        RankProcesses bare,
        RankProcesses overTcp,
        RankProcesses ours,
        CollectivesBenchmarkOptions options,
        CancellationToken cancellationToken)
    {
        // The first run warms up and tells how many iterations fill the time.
        var slower = Math.Max(bare.Run(bytes, iterations: 3), Math.Max(overTcp.Run(bytes, iterations: 3), ours.Run(bytes, iterations: 3))) / 3;
        var iterations = (int)Math.Clamp(options.RunTime.TotalSeconds / slower, 1, MostIterations);
        var (bareTimes, tcpTimes, ourTimes, roundedTimes) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        for (var repetition = 0; repetition < options.Repetitions; repetition++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            bareTimes.Add(bare.Run(bytes, iterations) / iterations);
            tcpTimes.Add(overTcp.Run(bytes, iterations) / iterations);
            ourTimes.Add(ours.Run(bytes, iterations) / iterations);
            roundedTimes.Add(ours.Run(bytes, iterations, RoundedWire) / iterations);
        }

        return new CollectivesResult(bytes, Median(bareTimes), Median(tcpTimes), Median(ourTimes), Median(roundedTimes));
    }

    private static RankProcesses Ours(int ranks, string folder, params string[] more) => new(
        ranks, rank => ["dotnet", "exec", typeof(CollectivesBenchmark).Assembly.Location, RankCommand, $"{rank}", $"{ranks}", folder, .. more]);

    private static void Check(CollectivesBenchmarkOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Ranks, 2, nameof(options.Ranks));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Repetitions, 1, nameof(options.Repetitions));
        foreach (var bytes in options.Sizes)
        {
            if (bytes <= 0 || bytes % sizeof(float) != 0)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(options), bytes, "a size must be a positive multiple of 4 bytes");
            }
        }
    }

    private static TimeSpan Median(List<double> seconds)
    {
        seconds.Sort();
        var middle = seconds.Count / 2;
        return TimeSpan.FromSeconds(
            seconds.Count % 2 == 1 ? seconds[middle] : (seconds[middle - 1] + seconds[middle]) / 2);
    }

    private static string Speed(TimeSpan time, double bytesPerSecond)
        => $"{time.TotalMicroseconds,8:0} us {bytesPerSecond / 1e6,6:0} MB/s";

    private static string Subfolder(string folder, string name)
        => Directory.CreateDirectory(Path.Combine(folder, name)).FullName;
}
