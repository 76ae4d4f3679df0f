using System.Diagnostics;
using System.Globalization;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Local;

/// <summary>How a rank's process is started.</summary>
/// <param name="Command">The program; a name without a slash is looked up in PATH.</param>
/// <param name="Arguments">Its arguments.</param>
/// <param name="LogPath">Its log, which is created, or appended to.</param>
/// <param name="Start">Its first message.</param>
public sealed record RankLaunch(string Command, IReadOnlyList<string> Arguments, string LogPath, StartMessage Start)
{
    // Signals of the terminal reach the whole foreground group, and SIGTERM all processes of a service, before the rank could handle
    // it; what they mean for a rank is its parent's to say.
    // The log is opened by the shell, which then becomes the rank, so that native output and .NET's last words reach it
    // whatever becomes of the parent.
    private const string ShellScript = """trap '' INT HUP TERM; exec "$0" "$@" 2>>"$LINFORMER_RANK_LOG" """;
    private const string LogVariable = "LINFORMER_RANK_LOG";

    // A rank talks with its parent only, and what runs in it is a person's: secrets of its parent are not for it.
    private static readonly string[] Secrets = ["LINFORMER_DATABASE", "LINFORMER_JOIN_TOKEN", "LINFORMER_TOKEN", "PGPASSWORD"];

    /// <summary>A library to load before all others; null for the machine's jemalloc, if it has one.</summary>
    public string? PreloadLibrary { get; init; }

    /// <summary>Further environment variables.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>For the system: the environment of this process but for its secrets, and what a rank needs.</summary>
    public ProcessStartInfo StartInfo()
    {
        var info = new ProcessStartInfo("/bin/sh")
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        foreach (var argument in Arguments.Prepend(Command).Prepend(ShellScript).Prepend("-c"))
        {
            info.ArgumentList.Add(argument);
        }

        foreach (var secret in Secrets)
        {
            info.Environment.Remove(secret);
        }

        foreach (var (name, value) in Environment)
        {
            info.Environment[name] = value;
        }

        // Native libraries read these when they are loaded; setting them inside the rank would be too late.
        var threads = Start.Threads.ToString(CultureInfo.InvariantCulture);
        info.Environment["OMP_NUM_THREADS"] = threads;
        info.Environment["OPENBLAS_NUM_THREADS"] = threads;
        info.Environment["MKL_NUM_THREADS"] = threads;
        info.Environment["DOTNET_gcServer"] = "0";
        info.Environment["DOTNET_gcConcurrent"] = "0";
        info.Environment[ControlPipe.EnvironmentVariable] = ControlPipe.DiesWithParent;
        info.Environment[LogVariable] = LogPath;
        RankAllocator.Set(info.Environment, PreloadLibrary);
        return info;
    }
}
