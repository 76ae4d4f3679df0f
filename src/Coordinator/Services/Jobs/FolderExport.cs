using Google.Protobuf;
using Grpc.Core;
using Linformer.Coordinator.Services.Guard;
using Linformer.Data.Corpora;
using Linformer.Model.Files;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Jobs;

/// <summary>
/// Sends the files of a folder. Links in it are not followed, and those on the way to it must stay inside the storage root: nothing
/// outside is ever read, also when a link takes a file's place meanwhile.
/// </summary>
internal static class FolderExport
{
    private const int ChunkBytes = 256 << 10;
    private const int MaxFiles = 10_000;

    private static readonly EnumerationOptions AllFiles = new()
    {
        RecurseSubdirectories = true,
        AttributesToSkip = FileAttributes.ReparsePoint,
        IgnoreInaccessible = false,
    };

    /// <summary>Sends every file, in the order of their paths.</summary>
    /// <param name="what">What is sent, for messages: "the model of job x".</param>
    /// <param name="root">The storage root.</param>
    /// <param name="relative">The folder, relative to the root.</param>
    /// <param name="stream">Where to.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="RpcException">
    /// NOT_FOUND when the folder is not there, FAILED_PRECONDITION when it goes while it is sent or lies outside of the root, DATA_LOSS when
    /// a file cannot be read as it was.
    /// </exception>
    public static async Task SendAsync(
        string what, string root, string relative, IServerStreamWriter<Proto.FileChunk> stream, CancellationToken cancellationToken)
    {
        var info = new DirectoryInfo(Path.Combine(root, relative));
        if (!info.Exists || info.LinkTarget is not null)
            throw Refusal.NotFound($"{Start(what)} is not on the storage any more.");
        var folder = info.FullName;
        try
        {
            folder = ConfinedPath.Resolve(root, relative);
            info = new DirectoryInfo(folder);
            var files = info.EnumerateFiles("*", AllFiles).Take(MaxFiles + 1)
                .Select(file => Path.GetRelativePath(folder, file.FullName)).Order(StringComparer.Ordinal).ToList();
            if (files.Count > MaxFiles)
                throw Refusal.Precondition($"The folder of {what} has more than {MaxFiles:#,0} files.");
            foreach (var file in files)
                await SendFileAsync(what, folder, file, stream, cancellationToken);
        }
        catch (PathEscapeException)
        {
            // Where the link leads is none of the caller's business.
            throw Refusal.Precondition($"{Start(what)} lies behind a symbolic link that leads out of the storage root, so it is not sent.");
        }
        catch (Exception exception) when ((exception is IOException or UnauthorizedAccessException) && !Directory.Exists(folder))
        {
            throw Refusal.Precondition($"{Start(what)} was deleted while it was sent.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new RpcException(new Status(StatusCode.DataLoss, $"{Start(what)} cannot be read: {Reason(exception, folder)}"));
        }
    }

    private static async Task SendFileAsync(
        string what, string folder, string file, IServerStreamWriter<Proto.FileChunk> stream, CancellationToken cancellationToken)
    {
        var path = Path.Combine(folder, file);
        // To open a pipe waits for somebody who writes, which may be for ever.
        if (FileKind.Of(path) is { } kind && kind != FileKind.Regular)
            throw new IOException($"{file} is a {kind}, not a regular file.");
        await using var source = new FileStream(
            ConfinedPath.OpenRead(folder, path, file, FileOptions.Asynchronous), FileAccess.Read, bufferSize: 0, isAsync: true);
        var size = source.Length;
        var buffer = new byte[(int)Math.Min(size, ChunkBytes)];
        var sent = 0L;
        do
        {
            var length = (int)Math.Min(size - sent, ChunkBytes);
            var read = await source.ReadAtLeastAsync(buffer.AsMemory(0, length), length, throwOnEndOfStream: false, cancellationToken);
            if (read < length)
                throw new RpcException(new Status(StatusCode.DataLoss, $"{file} of {what} became shorter while it was read."));
            var chunk = new Proto.FileChunk { Content = ByteString.CopyFrom(buffer, 0, read) };
            if (sent == 0)
            {
                chunk.Path = file.Replace(Path.DirectorySeparatorChar, '/');
                chunk.Size = size;
            }
            await stream.WriteAsync(chunk, cancellationToken);
            sent += read;
        }
        while (sent < size);
    }

    private static string Start(string what) => char.ToUpperInvariant(what[0]) + what[1..];

    // The storage root is none of the caller's business.
    private static string Reason(Exception exception, string folder) => exception.Message.Replace(folder, "", StringComparison.Ordinal);
}
