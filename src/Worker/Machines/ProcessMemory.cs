using System.Globalization;

namespace Linformer.Worker.Machines;

/// <summary>How much memory a process has.</summary>
/// <param name="ResidentBytes">Resident now.</param>
/// <param name="PeakBytes">The most that was ever resident.</param>
public readonly record struct ProcessMemory(long ResidentBytes, long PeakBytes)
{
    private const string Own = "/proc/self/status";

    // The system keeps the peak as well, but not everywhere, and not always up to what it has told as resident.
    private static long _peakSeen;

    /// <summary>The memory of this process; 0 where the system does not tell.</summary>
    public static ProcessMemory Read()
    {
        try
        {
            return OfStatus(File.ReadLines(Own)).WithPeakSeen();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new ProcessMemory(Environment.WorkingSet, 0).WithPeakSeen();
        }
    }

    /// <summary>What a file such as <c>/proc/self/status</c> says; 0 for what it does not.</summary>
    /// <param name="lines">Its lines.</param>
    public static ProcessMemory OfStatus(IEnumerable<string> lines)
    {
        var (resident, peak) = (0L, 0L);
        foreach (var line in lines)
        {
            if (line.StartsWith("VmRSS:", StringComparison.Ordinal))
            {
                resident = Kibibytes(line);
            }
            else if (line.StartsWith("VmHWM:", StringComparison.Ordinal))
            {
                peak = Kibibytes(line);
            }
        }

        return new ProcessMemory(resident, peak);
    }

    // "VmRSS:     1234 kB".
    private static long Kibibytes(string line)
    {
        var number = line.AsSpan(line.IndexOf(':') + 1).Trim();
        var end = number.IndexOf(' ');
        return long.TryParse(end < 0 ? number : number[..end], NumberStyles.None, CultureInfo.InvariantCulture, out var kibibytes) && kibibytes < long.MaxValue / 1024
            ? kibibytes * 1024
            : 0;
    }

    private ProcessMemory WithPeakSeen()
    {
        _peakSeen = Math.Max(_peakSeen, Math.Max(ResidentBytes, PeakBytes));
        return this with { PeakBytes = _peakSeen };
    }
}
