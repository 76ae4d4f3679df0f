using System.Diagnostics;

namespace Linformer.Training.Tests.Checkpoints;

/// <summary>A file system in memory of a given size, for tests of full disks; skips the test where it cannot be mounted.</summary>
internal sealed class SmallDisk : IDisposable
{
    private SmallDisk(string path) => Path = path;

    public string Path { get; }

    public static SmallDisk Mount(string path, string size)
    {
        Directory.CreateDirectory(path);
        var error = Run("mount", "-t", "tmpfs", "-o", $"size={size}", "tmpfs", path);
        Skip.If(error is not null, $"a tmpfs cannot be mounted here: {error}");
        return new SmallDisk(path);
    }

    public void Dispose() => Run("umount", Path).ShouldBeNull();

    // Null after success, else what the command said.
    private static string? Run(string command, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(command, arguments) { UseShellExecute = false, RedirectStandardError = true })!;
            var error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? null : error.Trim();
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return e.Message;
        }
    }
}
