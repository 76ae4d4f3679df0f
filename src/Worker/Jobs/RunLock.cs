using Linformer.Data;

namespace Linformer.Worker.Jobs;

/// <summary>
/// Says that a job is being trained: two trainings of one job would write the same checkpoints and metrics. The system
/// drops the lock with the process, however it ends.
/// </summary>
public sealed class RunLock : IDisposable
{
    // What the system answers when another process has the lock: EWOULDBLOCK on Linux.
    private const int WouldBlock = 11;

    private readonly FileStream _file;

    private RunLock(FileStream file) => _file = file;

    /// <summary>Takes the lock of a job; creates its folder.</summary>
    /// <param name="layout">The storage root.</param>
    /// <param name="job">The job's name.</param>
    /// <exception cref="BadDataException">Another process trains the job.</exception>
    /// <exception cref="IOException">The folder or the lock cannot be created.</exception>
    public static RunLock Take(StorageLayout layout, string job)
    {
        var path = layout.RunLock(job);
        Directory.CreateDirectory(layout.Run(job));
        try
        {
            return new RunLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None, bufferSize: 0));
        }
        catch (IOException e) when (e.HResult == WouldBlock)
        {
            throw new BadDataException($"The job '{job}' is being trained by another process, which holds {path}. Wait for it or stop it, or give the job another name.", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
