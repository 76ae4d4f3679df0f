using Grpc.Core;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Cluster;

/// <summary>
/// Receives the files of a model into a folder of its own, which takes its final name only when all is there.
/// Nothing that the sender names can end up outside of it.
/// </summary>
internal sealed class ModelDownload : IDisposable
{
    private readonly string _destination;
    private readonly bool _force;
    private readonly DirectoryInfo _temporary;

    private ModelDownload(string destination, bool force) =>
        (_destination, _force, _temporary) = (destination, force, Directory.CreateDirectory($"{destination}.{Path.GetRandomFileName()}.tmp"));

    /// <summary>Prepares a download.</summary>
    /// <param name="destination">The folder to make.</param>
    /// <param name="force">Whether it may take the place of one with files in it.</param>
    /// <exception cref="CommandException">The destination is in use.</exception>
    public static ModelDownload Begin(string destination, bool force)
    {
        var path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(destination));
        if (File.Exists(path))
            throw new CommandException($"{destination} is a file; --to takes a folder.");
        if (!force && Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
            throw new CommandException($"{destination} has files in it; --force replaces the folder with all that is in it.");
        return new ModelDownload(path, force);
    }

    /// <summary>Receives all files.</summary>
    /// <param name="chunks">What the coordinator sends.</param>
    /// <param name="report">Told the bytes received so far.</param>
    /// <param name="cancellation">Ends the download; nothing of it stays.</param>
    /// <returns>The files, with their sizes in bytes.</returns>
    /// <exception cref="CommandException">What is sent is not a set of whole files inside the folder.</exception>
    public async Task<IReadOnlyList<(string Path, long Bytes)>> ReceiveAsync(
        IAsyncStreamReader<FileChunk> chunks, Action<long> report, CancellationToken cancellation)
    {
        var files = new List<(string Path, long Bytes)>();
        var total = 0L;
        FileStream? file = null;
        try
        {
            while (await chunks.MoveNext(cancellation))
            {
                var chunk = chunks.Current;
                if (chunk.Path.Length > 0)
                {
                    await FinishAsync(file, files, cancellation);
                    file = Create(chunk.Path);
                    files.Add((chunk.Path, chunk.Size));
                }

                if (file is null)
                    throw new CommandException("The coordinator sent content without the name of a file; nothing was exported.");
                await file.WriteAsync(chunk.Content.Memory, cancellation);
                report(total += chunk.Content.Length);
            }

            await FinishAsync(file, files, cancellation);
        }
        finally
        {
            if (file is not null)
                await file.DisposeAsync();
        }

        return files.Count > 0 ? files : throw new CommandException("The coordinator sent no files; nothing was exported.");
    }

    /// <summary>Gives the folder its name.</summary>
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

    /// <summary>Deletes what was received, unless it has been committed.</summary>
    public void Dispose()
    {
        if (Directory.Exists(_temporary.FullName))
            _temporary.Delete(recursive: true);
    }

    private static async Task FinishAsync(FileStream? file, List<(string Path, long Bytes)> files, CancellationToken cancellation)
    {
        if (file is null)
            return;
        await file.FlushAsync(cancellation);
        var (path, expected) = files[^1];
        if (file.Length != expected)
            throw new CommandException($"{path} came with {file.Length} bytes instead of {expected}; nothing was exported.");
        await file.DisposeAsync();
    }

    private FileStream Create(string path)
    {
        var parts = path.Split('/');
        if (Array.Exists(parts, part => part is "" or "." or ".." || part.Any(c => c == '\\' || char.IsControl(c))))
            throw new CommandException($"The coordinator sent a file named '{path}', which is not inside the model's folder; nothing was exported.");
        var target = Path.Combine([_temporary.FullName, .. parts]);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        return File.Exists(target)
            ? throw new CommandException($"The coordinator sent {path} twice; nothing was exported.")
            : new FileStream(target, FileMode.CreateNew, FileAccess.Write);
    }
}
