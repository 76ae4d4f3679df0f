namespace Linformer.Model.Files;

/// <summary>Folders that appear whole or not at all.</summary>
public static class WholeFolder
{
    /// <summary>Writes a folder under another name, brings it to disk, and gives it its name.</summary>
    /// <param name="folder">The folder; an older one is replaced.</param>
    /// <param name="write">Writes the files into the folder that it is given, which is empty.</param>
    /// <exception cref="IOException">It cannot be written; what was there before is still there.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static void Write(string folder, Action<string> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        folder = Path.GetFullPath(folder);
        var temporary = $"{folder}.{Guid.NewGuid():N}.tmp";
        try
        {
            Directory.CreateDirectory(temporary);
            write(temporary);
            Flush(temporary);
            Replace(folder, temporary);
        }
        finally
        {
            DeleteIfThere(temporary);
        }
    }

    private static void Flush(string folder)
    {
        foreach (var path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            using var file = File.OpenHandle(path, access: FileAccess.ReadWrite);
            RandomAccess.FlushToDisk(file);
        }

        foreach (var inner in Directory.EnumerateDirectories(folder, "*", SearchOption.AllDirectories))
        {
            Disk.FlushFolder(inner);
        }

        Disk.FlushFolder(folder);
    }

    private static void Replace(string folder, string temporary)
    {
        if (!Directory.Exists(folder))
        {
            Directory.Move(temporary, folder);
        }
        else
        {
            var old = $"{folder}.{Guid.NewGuid():N}.old";
            Directory.Move(folder, old);
            Directory.Move(temporary, folder);
            DeleteIfThere(old);
        }

        Disk.FlushFolder(Path.GetDirectoryName(folder)!);
    }

    private static void DeleteIfThere(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
