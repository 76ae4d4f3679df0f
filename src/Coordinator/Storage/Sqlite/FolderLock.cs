namespace Linformer.Coordinator.Storage.Sqlite;

/// <summary>Says that a coordinator works in a folder. The system drops the lock with the process, however it ends.</summary>
internal sealed class FolderLock : IDisposable
{
    // What the system answers when another process has the lock: EWOULDBLOCK on Linux.
    private const int WouldBlock = 11;

    private readonly FileStream _file;

    private FolderLock(FileStream file) => _file = file;

    /// <summary>Takes the lock.</summary>
    /// <param name="folder">The folder, which exists.</param>
    /// <param name="describeHolder">Tells who has it, such as "process 12 on host a".</param>
    /// <exception cref="FolderInUseException">Another coordinator has it.</exception>
    /// <exception cref="StorageException">The lock cannot be made.</exception>
    public static FolderLock Take(string folder, Func<string> describeHolder)
    {
        var path = Path.Combine(folder, "lock");
        try
        {
            return new FolderLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None, bufferSize: 0));
        }
        catch (IOException exception) when (exception.HResult == WouldBlock)
        {
            throw new FolderInUseException(
                $"Another coordinator works in the folder {folder}: {describeHolder()}. Stop it first, or take another data folder.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"The lock {path} cannot be made: {exception.Message}", exception);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
