namespace Linformer.Training.ProcessGroups;

/// <summary>A rendezvous store in a folder that all ranks see, a file per key.</summary>
/// <remarks>Use a new folder for each run: a file left from an older one is taken for a new value.</remarks>
public sealed class FileRendezvousStore : IRendezvousStore
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(50);

    private readonly string _folder;

    /// <summary>Makes a store; the folder is created if it is missing.</summary>
    /// <param name="folder">Its path.</param>
    /// <exception cref="IOException">The folder cannot be created.</exception>
    public FileRendezvousStore(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        _folder = Path.GetFullPath(folder);
        Directory.CreateDirectory(_folder);
    }

    /// <inheritdoc/>
    public void Set(string key, ReadOnlySpan<byte> value)
    {
        // Readers see the whole value or none: the file appears by renaming.
        var path = PathOf(key);
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        File.WriteAllBytes(temporary, value);
        File.Move(temporary, path, overwrite: true);
    }

    /// <inheritdoc/>
    public byte[] Get(string key, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        var path = PathOf(key);
        var deadline = Deadline.After(timeout);
        for (var pause = FirstPause; ; pause = pause < LongestPause ? 2 * pause : LongestPause)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (File.Exists(path))
            {
                return File.ReadAllBytes(path);
            }

            if (deadline.IsOver)
            {
                throw new TimeoutException($"nobody published '{key}' in {_folder} within {timeout.TotalSeconds:0.###} s");
            }

            cancellationToken.WaitHandle.WaitOne(pause < deadline.Left ? pause : deadline.Left);
        }
    }

    // No key is a path: what a file name may not have is escaped, and a leading letter keeps "..", ".x" harmless.
    private string PathOf(string key)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        return Path.Combine(_folder, "k" + Uri.EscapeDataString(key));
    }
}
