using System.Diagnostics;
using Linformer.Training.ProcessGroups;
using static TorchSharp.torch;

namespace Linformer.Cli.Doctor.Machine;

/// <summary>What libtorch does on this machine.</summary>
/// <param name="Library">The file that was loaded.</param>
/// <param name="Blas">The file that multiplies matrices; null where that is part of libtorch itself.</param>
/// <param name="Gigaflops">Multiplications and additions of floats per second on one thread, in 10^9.</param>
/// <param name="Right">Whether the product was right.</param>
internal sealed record TorchFacts(string? Library, string? Blas, double Gigaflops, bool Right);

/// <summary>Loads libtorch and multiplies.</summary>
internal static class TorchProbe
{
    private const int Size = 512;
    private const int Column = 7;
    private static readonly TimeSpan Measured = TimeSpan.FromMilliseconds(300);

    /// <summary>Tries it, in this process.</summary>
    public static TorchFacts Run()
    {
        set_num_threads(1);
        // (a row of ones) × (a column of sevens): each element is 7 n.
        using var left = ones(Size, Size);
        using var right = full([Size, Size], Column, ScalarType.Float32);
        double worst;
        using (var product = left.matmul(right))
            worst = product.data<float>().ToArray().Max(value => Math.Abs(value - (Column * Size)));
        var started = Stopwatch.GetTimestamp();
        var times = 0;
        for (; Stopwatch.GetElapsedTime(started) < Measured; times++)
            left.matmul(right).Dispose();
        var flops = 2.0 * Size * Size * Size * times / Stopwatch.GetElapsedTime(started).TotalSeconds;
        var libraries = LoadedLibraries();
        return new TorchFacts(
            libraries.FirstOrDefault(path => Path.GetFileName(path).StartsWith("libtorch_cpu", StringComparison.Ordinal)),
            libraries.FirstOrDefault(path => Path.GetFileName(path) is var file && (file.StartsWith("libopenblas", StringComparison.Ordinal) || file.StartsWith("libmkl", StringComparison.Ordinal)))
                ?? libraries.FirstOrDefault(path => Path.GetFileName(path).StartsWith("libblas", StringComparison.Ordinal)),
            flops / 1e9,
            worst == 0);
    }

    private static List<string> LoadedLibraries() =>
        [.. File.ReadLines("/proc/self/maps").Select(line => line[(line.LastIndexOf(' ') + 1)..]).Where(path => path.Contains(".so", StringComparison.Ordinal)).Distinct()];
}

/// <summary>What Gloo does on this machine.</summary>
/// <param name="Milliseconds">How long two ranks took to meet and to add their numbers.</param>
/// <param name="Right">Whether the sum was right.</param>
internal sealed record GlooFacts(double Milliseconds, bool Right);

/// <summary>Lets two ranks meet over loopback and add.</summary>
internal static class GlooProbe
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    /// <summary>Tries it, in this process.</summary>
    public static GlooFacts Run()
    {
        var started = Stopwatch.GetTimestamp();
        var store = new InMemoryRendezvousStore();
        var sums = new float[2];
        var failures = new Exception?[2];
        var ranks = Enumerable.Range(0, 2).Select(rank => new Thread(() =>
        {
            try
            {
                using var group = new GlooProcessGroup(rank, 2, 1, store, new GlooOptions { Timeout = Patience, RendezvousTimeout = Patience });
                using var value = full([1], rank + 1, ScalarType.Float32);
                group.AllReduce(value).Wait();
                sums[rank] = value.item<float>();
            }
            catch (Exception failure)
            {
                failures[rank] = failure;
            }
        })).ToList();
        ranks.ForEach(rank => rank.Start());
        ranks.ForEach(rank => rank.Join());
        if (Array.Find(failures, failure => failure is not null) is { } first)
            throw new CommandException(first.Message);
        return new GlooFacts(Stopwatch.GetElapsedTime(started).TotalMilliseconds, sums is [3, 3]);
    }
}
