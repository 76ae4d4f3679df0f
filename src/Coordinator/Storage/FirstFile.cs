using System.Runtime.InteropServices;
using System.Text;

namespace Linformer.Coordinator.Storage;

/// <summary>A small file that is made once, by whoever is first: it appears whole, and one that is there is never replaced.</summary>
internal static partial class FirstFile
{
    private const UnixFileMode Everybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>Makes the file, unless somebody else has it made meanwhile.</summary>
    /// <param name="path">The file.</param>
    /// <param name="text">What it holds.</param>
    /// <param name="mode">Who may read it; null for everybody.</param>
    /// <exception cref="IOException">It cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    public static void Create(string path, string text, UnixFileMode? mode = null)
    {
        var temporary = $"{path}.{Guid.NewGuid():N}.new";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = mode ?? Everybody;
        try
        {
            using (var stream = new FileStream(temporary, options))
            {
                stream.Write(Encoding.ASCII.GetBytes(text));
                stream.Flush(flushToDisk: true);
            }
            // On Linux File.Move looks first and renames then, which is too late; a link is made at once, or not at all.
            if (!OperatingSystem.IsLinux() || (Link(temporary, path) != 0 && !File.Exists(path)))
                File.Move(temporary, path, overwrite: false);
        }
        catch (IOException) when (File.Exists(path))
        {
            // Somebody was faster.
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string path);
}
