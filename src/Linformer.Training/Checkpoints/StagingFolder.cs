using Linformer.Model.Files;
namespace Linformer.Training.Checkpoints;

/// <summary>
/// A temporary folder beside the checkpoints, in which one is written before it gets its name. A lock file beside it tells
/// whether the writer lives: the system drops the lock with the process, on whatever machine or in whatever container.
/// </summary>
internal sealed class StagingFolder : IDisposable
{
    private const string TemporaryPrefix = ".tmp-";
    private const string DeletedPrefix = ".deleted-";
    private const string LockSuffix = ".lock";

    private readonly FileStream _lock;

    private StagingFolder(string path, FileStream lockFile)
    {
        Path = path;
        _lock = lockFile;
    }

    public string Path { get; }

    public static StagingFolder Create(string root, CheckpointId id)
    {
        while (true)
        {
            var path = System.IO.Path.Combine(root, $"{TemporaryPrefix}{id}-{Guid.NewGuid():N}");
            var lockFile = new FileStream(path + LockSuffix, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
            var staging = new StagingFolder(path, lockFile);
            try
            {
                // Somebody who clears away stale folders may have seen the file before it was locked; then try another.
                if (File.Exists(path + LockSuffix))
                {
                    Directory.CreateDirectory(path);
                    return staging;
                }

                staging.Dispose();
            }
            catch
            {
                staging.Dispose();
                throw;
            }
        }
    }

    /// <summary>Gives the folder its final, durable name.</summary>
    public void Commit(string finalPath)
    {
        Disk.FlushFolder(Path);
        Directory.Move(Path, finalPath);
        Disk.FlushFolder(System.IO.Path.GetDirectoryName(finalPath)!);
    }

    /// <summary>Deletes the folder unless it has been committed, and the lock.</summary>
    public void Dispose()
    {
        try
        {
            Remove(Path);
            File.Delete(Path + LockSuffix);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What is left is stale once the lock is gone; the failure that led here says more than this one.
        }

        _lock.Dispose();
    }

    /// <summary>Deletes a checkpoint; if this is cut short, no half of one remains under its name.</summary>
    public static void Delete(string checkpoint)
    {
        var root = System.IO.Path.GetDirectoryName(checkpoint)!;
        Remove(SetAside(checkpoint, root));
    }

    /// <summary>Takes a folder's name away; the folder goes at the next <see cref="RemoveStale"/>.</summary>
    public static string SetAside(string checkpoint, string root)
    {
        var aside = System.IO.Path.Combine(root, $"{DeletedPrefix}{System.IO.Path.GetFileName(checkpoint)}-{Guid.NewGuid():N}");
        Directory.Move(checkpoint, aside);
        return aside;
    }

    /// <summary>Removes what dead writers and deletions that were cut short have left.</summary>
    public static void RemoveStale(string root)
    {
        foreach (var folder in Directory.GetDirectories(root, DeletedPrefix + "*"))
        {
            Remove(folder);
        }

        foreach (var folder in Directory.GetDirectories(root, TemporaryPrefix + "*"))
        {
            // A writer creates its lock before its folder and removes it after.
            if (!File.Exists(folder + LockSuffix))
            {
                Remove(folder);
            }
        }

        foreach (var lockPath in Directory.GetFiles(root, TemporaryPrefix + "*" + LockSuffix))
        {
            using var held = TryLock(lockPath);
            if (held is not null)
            {
                Remove(lockPath[..^LockSuffix.Length]);
                File.Delete(lockPath);
            }
        }
    }

    private static FileStream? TryLock(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.None, bufferSize: 0);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static void Remove(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Committed, or removed by somebody else.
        }
    }
}
