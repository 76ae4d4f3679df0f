using Grpc.Core;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Cluster;

/// <summary>Receives the files of a model or a checkpoint. Nothing that the sender names can end up outside of their folder.</summary>
internal static class ModelDownload
{
    /// <summary>Receives all files.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="chunks">What the coordinator sends.</param>
    /// <param name="report">Told the bytes received so far.</param>
    /// <param name="cancellation">Ends the download; nothing of it stays.</param>
    /// <returns>The files, with their sizes in bytes.</returns>
    /// <exception cref="CommandException">What is sent is not a set of whole files inside the folder.</exception>
    public static async Task<IReadOnlyList<(string Path, long Bytes)>> ReceiveAsync(
        string folder, IAsyncStreamReader<FileChunk> chunks, Action<long> report, CancellationToken cancellation)
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
                    file = Create(folder, chunk.Path);
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

    private static FileStream Create(string folder, string path)
    {
        var parts = path.Split('/');
        if (Array.Exists(parts, part => part is "" or "." or ".." || part.Any(c => c == '\\' || char.IsControl(c))))
            throw new CommandException($"The coordinator sent a file named '{path}', which is not inside the model's folder; nothing was exported.");
        var target = Path.Combine([folder, .. parts]);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        return File.Exists(target)
            ? throw new CommandException($"The coordinator sent {path} twice; nothing was exported.")
            : new FileStream(target, FileMode.CreateNew, FileAccess.Write);
    }
}
