using System.Globalization;

namespace Linformer.Worker.Machines;

/// <summary>Reads how busy this machine is. Not for several threads at a time.</summary>
/// <param name="time">Tells how much time has passed between two readings.</param>
/// <param name="procFolder">Where the system tells of itself.</param>
/// <param name="groupFolder">Where control groups are mounted.</param>
public sealed class MachineReader(TimeProvider time, string procFolder = "/proc", string groupFolder = "/sys/fs/cgroup")
{
    private const string AllProcessors = "cpu ";

    // user, nice, system, idle, iowait, irq, softirq, steal; what guests use is within user and nice.
    private const int Columns = 8;
    private const int Idle = 3;
    private const int WaitsForDisk = 4;

    private readonly ControlGroup _group = new(procFolder, groupFolder);
    private (double Busy, double Total)? _machine;
    private (double Used, long At)? _grouped;

    /// <summary>Reads all but the storage, which is 0.</summary>
    /// <returns>Null at the first call, which only begins, and where the system does not tell.</returns>
    public MachineLoad? Read()
    {
        try
        {
            var stat = File.ReadAllLines(Path.Combine(procFolder, "stat"));
            var processors = stat.Count(line => line.StartsWith("cpu", StringComparison.Ordinal)) - 1;
            var machine = PercentOfMachine(stat);
            var limit = _group.Processors();
            var grouped = PercentOfGroup(limit);
            var (used, total) = Memory(File.ReadAllLines(Path.Combine(procFolder, "meminfo")));
            if (_group.Memory() is { } memory && memory.Limit < total)
            {
                (used, total) = memory;
            }

            if (limit is { } group && group.Processors < processors)
            {
                return grouped is null ? null : new MachineLoad(grouped.Value, (int)Math.Ceiling(group.Processors), used, total, 0);
            }

            return machine is null ? null : new MachineLoad(machine.Value, processors, used, total, 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or OverflowException)
        {
            return null;
        }
    }

    /// <summary>The memory of the machine, or as much of it as the control group allows, in bytes; 0 where the system does not tell.</summary>
    public long ReadMemory()
    {
        try
        {
            var (_, total) = Memory(File.ReadAllLines(Path.Combine(procFolder, "meminfo")));
            return Math.Min(total, _group.Memory()?.Limit ?? total);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or OverflowException)
        {
            return 0;
        }
    }

    private double? PercentOfMachine(string[] stat)
    {
        var line = Array.Find(stat, one => one.StartsWith(AllProcessors, StringComparison.Ordinal)) ?? throw new FormatException("There is no line of all processors.");
        var times = line[AllProcessors.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries).Take(Columns)
            .Select(number => (double)ulong.Parse(number, NumberStyles.None, CultureInfo.InvariantCulture)).ToArray();
        if (times.Length <= WaitsForDisk)
        {
            throw new FormatException("The line of all processors is too short.");
        }

        var (now, before) = ((Busy: times.Sum() - times[Idle] - times[WaitsForDisk], Total: times.Sum()), _machine);
        _machine = now;
        // Waits for the disk are known to go back a little.
        return before is { } then && now.Total > then.Total ? Percent((now.Busy - then.Busy) / (now.Total - then.Total)) : null;
    }

    private double? PercentOfGroup((double Processors, double UsedSeconds)? limit)
    {
        if (limit is not { } group)
        {
            _grouped = null;
            return null;
        }

        var (now, before) = ((Used: group.UsedSeconds, At: time.GetTimestamp()), _grouped);
        _grouped = now;
        return before is { } then && time.GetElapsedTime(then.At, now.At).TotalSeconds is > 0 and var passed ? Percent((now.Used - then.Used) / (passed * group.Processors)) : null;
    }

    // To a tenth, which is more than it means.
    private static double Percent(double share) => Math.Round(Math.Clamp(100 * share, 0, 100), 1);

    private static (long Used, long Total) Memory(string[] meminfo)
    {
        long Bytes(string key)
        {
            var line = Array.Find(meminfo, one => one.StartsWith(key, StringComparison.Ordinal)) ?? throw new FormatException($"There is no {key}");
            return checked(long.Parse(line[key.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), NumberStyles.None, CultureInfo.InvariantCulture) * 1024);
        }

        var (total, available) = (Bytes("MemTotal:"), Bytes("MemAvailable:"));
        return (Math.Max(0, total - available), total);
    }
}
