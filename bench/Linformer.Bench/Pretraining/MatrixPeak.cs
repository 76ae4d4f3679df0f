using System.Diagnostics;
using System.Globalization;

namespace Linformer.Bench.Pretraining;

/// <summary>What the machine's cores can do at the most: a matrix product in each of some processes at once, see bench/onednn-peak.</summary>
internal sealed class MatrixPeak : IDisposable
{
    private const double Seconds = 1;

    private readonly List<Process> _processes = [];

    /// <summary>Starts them.</summary>
    /// <param name="processes">How many processes.</param>
    /// <param name="threads">Cores of each.</param>
    /// <param name="output">Told when the program has to be built.</param>
    /// <exception cref="InvalidOperationException">It cannot be built.</exception>
    public MatrixPeak(int processes, int threads, TextWriter output)
    {
        var program = BareProgram.Build("onednn-peak", output);
        for (var process = 0; process < processes; process++)
        {
            var start = new ProcessStartInfo(program) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true };
            start.Environment["OMP_NUM_THREADS"] = threads.ToString(CultureInfo.InvariantCulture);
            _processes.Add(Process.Start(start)!);
        }
    }

    /// <summary>Floating-point operations per second of all of them together.</summary>
    /// <param name="precision">fp32 or bf16.</param>
    /// <exception cref="InvalidOperationException">The program has failed.</exception>
    public double Measure(string precision)
    {
        foreach (var process in _processes)
        {
            process.StandardInput.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{precision} {Seconds}"));
        }

        return 1e9 * _processes.Sum(process => double.TryParse(process.StandardOutput.ReadLine(), CultureInfo.InvariantCulture, out var gigaflops)
            ? gigaflops
            : throw new InvalidOperationException("onednn-peak has failed; see its output above"));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var process in _processes)
        {
            // The end of its input ends it.
            process.StandardInput.Close();
            process.WaitForExit();
            process.Dispose();
        }
    }
}
