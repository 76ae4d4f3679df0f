namespace Linformer.Training.Checkpoints;

/// <summary>Replaces single files so that whoever reads them sees the old content or the new, never a part.</summary>
public static class AtomicFile
{
    /// <summary>
    /// Writes to a temporary name beside the file, flushes to disk, renames, flushes the folder. After a failure the old
    /// file is untouched and the temporary one is gone; one that a killed process left is overwritten by the next write.
    /// </summary>
    /// <param name="path">The file, which is created or replaced; its folder must exist.</param>
    /// <param name="write">Writes the content.</param>
    /// <exception cref="IOException">The disk is full, another process is writing the same file, or the like.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        var target = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(target) ?? throw new ArgumentException($"'{path}' is not a file's path.", nameof(path));
        var temporary = Path.Combine(folder, $".{Path.GetFileName(target)}.tmp");
        using var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None);
        try
        {
            write(stream);
            stream.Flush(flushToDisk: true);
            // Renamed while still locked, so that no other writer can have put its own content under the temporary name.
            File.Move(temporary, target, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }

        Disk.FlushFolder(folder);
    }

    /// <summary>Writes text in UTF-8; see <see cref="Write(string, Action{Stream})"/>.</summary>
    /// <param name="path">The file, which is created or replaced; its folder must exist.</param>
    /// <param name="text">The content.</param>
    /// <exception cref="IOException">The disk is full, another process is writing the same file, or the like.</exception>
    public static void Write(string path, string text) =>
        Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));
}
