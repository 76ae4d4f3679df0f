using System.Globalization;

namespace Linformer.Worker.Machines;

/// <summary>
/// The control groups (version 2) that this process is in, as far as they limit it. Each level may set its own limits; the tightest
/// counts. Without any, and under version 1, the machine is all that there is.
/// </summary>
/// <param name="procFolder">Where <c>self/cgroup</c> is, such as <c>/proc</c>.</param>
/// <param name="groupFolder">Where the groups are mounted, such as <c>/sys/fs/cgroup</c>.</param>
internal sealed class ControlGroup(string procFolder, string groupFolder)
{
    private const string OwnGroup = "0::/";

    /// <summary>How many processors the group may use, a fraction perhaps, and the seconds of them that it has used so far; null without a limit.</summary>
    public (double Processors, double UsedSeconds)? Processors()
    {
        var limits = from folder in Folders()
                     let words = Text(folder, "cpu.max").Split(' ', StringSplitOptions.TrimEntries)
                     where words.Length == 2 && Number(words[0]) is > 0 && Number(words[1]) is > 0
                     select (Folder: folder, Processors: (double)Number(words[0])!.Value / Number(words[1])!.Value);
        return limits.OrderBy(limit => limit.Processors).FirstOrDefault() is { Folder: not null } tightest && Entry(tightest.Folder, "cpu.stat", "usage_usec") is { } used
            ? (tightest.Processors, used / 1e6)
            : null;
    }

    /// <summary>What of its memory the group uses and cannot give back at once, and how much it may have, in bytes; null without a limit.</summary>
    public (long Used, long Limit)? Memory()
    {
        var limits = from folder in Folders()
                     let limit = Number(Text(folder, "memory.max").Trim())
                     where limit is > 0
                     select (Folder: folder, Limit: limit.Value);
        return limits.OrderBy(limit => limit.Limit).FirstOrDefault() is { Folder: not null } tightest && Number(Text(tightest.Folder, "memory.current").Trim()) is { } used
            // Files that nobody has read for a while go first when memory is needed.
            ? (Math.Max(0, used - (Entry(tightest.Folder, "memory.stat", "inactive_file") ?? 0)), tightest.Limit)
            : null;
    }

    // The process's own group and those around it; the outermost of what can be seen comes last.
    private IEnumerable<string> Folders()
    {
        var own = Text(procFolder, "self/cgroup").Split('\n').FirstOrDefault(line => line.StartsWith(OwnGroup, StringComparison.Ordinal));
        var parts = own?[OwnGroup.Length..].Split('/', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];
        // A group outside of what this process can see.
        var seen = parts.Contains("..") ? 0 : parts.Length;
        for (var depth = seen; depth >= 0; depth--)
        {
            yield return Path.Combine([groupFolder, .. parts[..depth]]);
        }
    }

    private static long? Entry(string folder, string file, string key) =>
        Text(folder, file).Split('\n').FirstOrDefault(line => line.StartsWith(key + " ", StringComparison.Ordinal)) is { } line ? Number(line[(key.Length + 1)..].Trim()) : null;

    private static long? Number(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static string Text(string folder, string file)
    {
        try
        {
            return File.ReadAllText(Path.Combine(folder, file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
