using System.Text;

namespace Linformer.Model.Files;

/// <summary>Files of which a reader sees the old content or the new, never a part.</summary>
public static class AtomicFile
{
    private const string TemporaryMark = ".tmp-";

    /// <summary>
    /// Writes to a temporary name beside the file, flushes to disk, renames, flushes the folder. When the write fails or
    /// is cancelled, the temporary file is deleted and an older file stays.
    /// </summary>
    /// <param name="path">The file, which is created or replaced; its folder must exist.</param>
    /// <param name="write">Writes the content.</param>
    /// <exception cref="IOException">The disk is full, the folder does not exist, or the like.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        var target = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(target) ?? throw new ArgumentException($"'{path}' is not a file's path.", nameof(path));

        // The name is unique, so that two processes that make the same file never write to each other's.
        var temporary = $"{target}{TemporaryMark}{Environment.ProcessId}-{Guid.NewGuid():N}";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, target, overwrite: true);
        }
        catch
        {
            TryDelete(temporary);
            throw;
        }

        Disk.FlushFolder(folder);
    }

    /// <summary>Writes text in UTF-8; see <see cref="Write(string, Action{Stream})"/>.</summary>
    /// <param name="path">The file, which is created or replaced; its folder must exist.</param>
    /// <param name="text">The content.</param>
    /// <exception cref="IOException">The disk is full, the folder does not exist, or the like.</exception>
    public static void Write(string path, string text) => Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));

    /// <summary>Deletes what killed processes left behind in a folder, once it is old enough to belong to no living one.</summary>
    /// <param name="folder">The folder; one that does not exist is fine.</param>
    public static void DeleteAbandoned(string folder)
    {
        if (!Directory.Exists(folder))
        {
            return;
        }

        foreach (var file in Directory.EnumerateFiles(folder, "*" + TemporaryMark + "*"))
        {
            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(file) > TimeSpan.FromDays(1))
            {
                TryDelete(file);
            }
        }
    }

    private static void TryDelete(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What could not be deleted has a temporary name, which no reader looks at.
        }
    }
}
