namespace Linformer.Data;

/// <summary>Files that are either whole or absent: written under a temporary name, flushed to the disk, renamed.</summary>
internal static class AtomicFile
{
    private const string TemporaryMark = ".tmp-";

    /// <summary>Writes a file. When the write fails or is cancelled, the temporary file is deleted and an older file stays.</summary>
    /// <param name="path">The final name; an existing file is replaced.</param>
    /// <param name="write">Writes the content.</param>
    public static void Write(string path, Action<Stream> write)
    {
        // The name is unique, so that two processes that make the same file never write to each other's.
        var temporary = $"{path}{TemporaryMark}{Environment.ProcessId}-{Guid.NewGuid():N}";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            TryDelete(temporary);
            throw;
        }
    }

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
