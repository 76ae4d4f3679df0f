using Linformer.Worker.Jobs;

namespace Linformer.Worker.Ranks;

/// <summary>
/// Tells a storage root from the empty folder that is left when it is unmounted: there a job looks as if it had never begun, and
/// what is written is lost. A root that had no id when the process began, as that of a run without a cluster, is never lost.
/// </summary>
/// <param name="root">The storage root.</param>
internal sealed class StorageMark(string root)
{
    private readonly string _path = Path.Combine(root, StorageLayout.StorageIdName);
    private readonly bool _wasThere = File.Exists(Path.Combine(root, StorageLayout.StorageIdName));

    /// <summary>Looks; on a storage that hangs it takes as long as that.</summary>
    /// <exception cref="IOException">The storage is gone.</exception>
    public void Check()
    {
        if (_wasThere && !File.Exists(_path))
        {
            throw new IOException($"{_path} is not there any more: the storage seems to be unmounted");
        }
    }
}
