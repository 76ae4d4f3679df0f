using System.Diagnostics;
using System.Globalization;

namespace Linformer.Bench.ControlPlane;

/// <summary>Processor time so far, or between two moments, in seconds.</summary>
/// <param name="Elapsed">By the clock.</param>
/// <param name="Program">Of the program that is measured.</param>
/// <param name="Own">Of this process.</param>
/// <param name="Busy">Of all processes.</param>
internal sealed record MachineTimes(double Elapsed, double Program, double Own, double Busy)
{
    private const double TicksPerSecond = 100;

    /// <summary>Of what else runs on the machine.</summary>
    public double Others => Math.Max(0, Busy - Program - Own);

    /// <summary>So far.</summary>
    public static MachineTimes Now(double program)
    {
        // cpu user nice system idle iowait irq softirq steal …
        var fields = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var busy = ((int[])[1, 2, 3, 6, 7]).Sum(at => long.Parse(fields[at], CultureInfo.InvariantCulture)) / TicksPerSecond;
        return new MachineTimes(Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency, program, Process.GetCurrentProcess().TotalProcessorTime.TotalSeconds, busy);
    }

    /// <summary>Since an earlier moment.</summary>
    public MachineTimes Since(MachineTimes before) => new(Elapsed - before.Elapsed, Program - before.Program, Own - before.Own, Busy - before.Busy);
}
