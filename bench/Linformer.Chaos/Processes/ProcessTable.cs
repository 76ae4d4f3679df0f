using System.Globalization;
using System.Runtime.InteropServices;

namespace Linformer.Chaos.Processes;

/// <summary>The processes of this machine, as /proc tells of them.</summary>
public static class ProcessTable
{
    /// <summary>Sends a signal; a process that is gone already is fine.</summary>
    /// <param name="processId">The process.</param>
    /// <param name="signal">What is sent.</param>
    public static void Send(int processId, Signal signal) => _ = Kill(processId, (int)signal);

    /// <summary>Whether a process is there and is not a zombie.</summary>
    public static bool IsAlive(int processId) => Stat(processId) is { State: not 'Z' and not 'X' };

    /// <summary>Whether a process is there and runs: neither a zombie nor stopped by a signal.</summary>
    public static bool IsRunning(int processId) => Stat(processId) is { State: not 'Z' and not 'X' and not 'T' };

    /// <summary>The living processes that a process has started.</summary>
    public static IReadOnlyList<int> Children(int processId) =>
        [.. All().Where(id => Stat(id) is { State: not 'Z' and not 'X' } stat && stat.Parent == processId)];

    /// <summary>The living processes that have a variable of that value in their environment.</summary>
    /// <param name="name">The variable.</param>
    /// <param name="value">Its value.</param>
    public static IReadOnlyList<int> WithVariable(string name, string value)
    {
        var entry = $"{name}={value}";
        return [.. All().Where(id => IsAlive(id) && (Read(id, "environ") ?? "").Split('\0').Contains(entry, StringComparer.Ordinal))];
    }

    /// <summary>A process's command line; empty when it is gone.</summary>
    public static string CommandLine(int processId) => (Read(processId, "cmdline") ?? "").Replace('\0', ' ').Trim();

    /// <summary>Whether a process's errors go nowhere: a rank process that waits for a job has no log yet.</summary>
    public static bool IsSilent(int processId)
    {
        try
        {
            return File.ResolveLinkTarget($"/proc/{processId}/fd/2", returnFinalTarget: false)?.FullName == "/dev/null";
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }

    private static IEnumerable<int> All() => Directory.EnumerateDirectories("/proc")
        .Select(path => int.TryParse(Path.GetFileName(path), NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : 0)
        .Where(id => id > 0);

    // pid (name) state parent …; the name may hold anything.
    private static (char State, int Parent)? Stat(int processId)
    {
        if (Read(processId, "stat") is not { Length: > 0 } stat)
            return null;
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (fields[0][0], int.Parse(fields[1], CultureInfo.InvariantCulture));
    }

    private static string? Read(int processId, string file)
    {
        try
        {
            return File.ReadAllText($"/proc/{processId}/{file}");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int processId, int signal);
}

/// <summary>Signals by their numbers on Linux.</summary>
public enum Signal
{
    /// <summary>Ctrl-C.</summary>
    Interrupt = 2,

    /// <summary>Ends the process at once.</summary>
    Kill = 9,

    /// <summary>Asks it to end.</summary>
    Terminate = 15,

    /// <summary>Lets a stopped process go on.</summary>
    Continue = 18,

    /// <summary>Lets it stand still.</summary>
    Stop = 19,
}
