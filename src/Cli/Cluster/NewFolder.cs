namespace Linformer.Cli.Cluster;

/// <summary>A folder that is filled under another name, and takes its own only when all is there.</summary>
internal sealed class NewFolder : IDisposable
{
    private readonly string _destination;
    private readonly bool _force;
    private readonly DirectoryInfo _temporary;

    private NewFolder(string destination, bool force) =>
        (_destination, _force, _temporary) = (destination, force, Directory.CreateDirectory($"{destination}.{System.IO.Path.GetRandomFileName()}.tmp"));

    /// <summary>Where it is until it is committed.</summary>
    public string Path => _temporary.FullName;

    /// <summary>Makes the folder.</summary>
    /// <param name="destination">What it shall be called.</param>
    /// <param name="force">Whether it may take the place of one with files in it.</param>
    /// <exception cref="CommandException">The destination is in use.</exception>
    public static NewFolder Begin(string destination, bool force)
    {
        var path = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(destination));
        if (File.Exists(path))
            throw new CommandException($"{destination} is a file; --to takes a folder.");
        if (!force && Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
            throw new CommandException($"{destination} has files in it; --force replaces the folder with all that is in it.");
        return new NewFolder(path, force);
    }

    /// <summary>Gives the folder its name.</summary>
    /// <exception cref="CommandException">The destination is in use by now.</exception>
    public void Commit()
    {
        if (!Directory.Exists(_destination))
        {
            Directory.Move(_temporary.FullName, _destination);
            return;
        }

        // What was there goes only once the new folder stands.
        var old = $"{_temporary.FullName}.old";
        if (!_force && Directory.EnumerateFileSystemEntries(_destination).Any())
            throw new CommandException($"{_destination} has got files in the meantime; nothing was exported.");
        Directory.Move(_destination, old);
        Directory.Move(_temporary.FullName, _destination);
        Directory.Delete(old, recursive: true);
    }

    /// <summary>Deletes what is in it, unless it has been committed.</summary>
    public void Dispose()
    {
        if (Directory.Exists(_temporary.FullName))
            _temporary.Delete(recursive: true);
    }
}
