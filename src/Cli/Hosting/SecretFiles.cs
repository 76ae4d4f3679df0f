using Serilog;

namespace Linformer.Cli.Hosting;

/// <summary>Files with secrets: tokens and private keys.</summary>
internal static class SecretFiles
{
    private const UnixFileMode Others = UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    /// <summary>Warns of each file that every user of the machine may read or write. A group may: Kubernetes mounts secrets so.</summary>
    /// <param name="log">Is warned.</param>
    /// <param name="files">The files; null for one that is not given.</param>
    public static void WarnIfOpen(ILogger log, params IEnumerable<string?> files)
    {
        if (OperatingSystem.IsWindows())
            return;
        foreach (var file in files)
        {
            if (file is not null && ModeOf(file) is { } mode && (mode & Others) != UnixFileMode.None)
                log.Warning("{File:l} has a secret, and every user of this machine may read or change it (mode {Mode:l}); better: chmod o= {File:l}", file, Convert.ToString((int)mode, 8).PadLeft(4, '0'), file);
        }
    }

    // One that is not there is told by whoever reads it.
    private static UnixFileMode? ModeOf(string file)
    {
        try
        {
            return OperatingSystem.IsWindows() ? null : (File.ResolveLinkTarget(file, returnFinalTarget: true) ?? new FileInfo(file)).UnixFileMode;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
