using System.Security.Cryptography;
using System.Text;

namespace Linformer.Training.Checkpoints;

/// <summary>Reads a checkpoint's folder and compares every byte with what the manifest says.</summary>
internal static class CheckpointVerifier
{
    private const int PieceLength = 1 << 20;

    /// <summary>The checkpoint, or what is wrong with it; exactly one of the two is null.</summary>
    public static (CheckpointInfo? Info, CheckpointDamage? Damage) Verify(
        string folder, CheckpointId id, Action advanced, CancellationToken cancellationToken)
    {
        var path = Path.Combine(folder, CheckpointManifest.FileName);
        try
        {
            var info = ReadManifest(path, id).ToInfo(folder);
            foreach (var file in info.Files)
            {
                path = Path.Combine(folder, file.Name);
                CheckFile(path, file, advanced, cancellationToken);
            }

            return (info, null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            return (null, new CheckpointDamage(id, path, e.Message));
        }
    }

    private static CheckpointManifest ReadManifest(string path, CheckpointId id)
    {
        var length = new FileInfo(path).Length;
        if (length > CheckpointManifest.MaximumLength)
        {
            throw new InvalidDataException($"has {length} bytes; allowed are {CheckpointManifest.MaximumLength}.");
        }

        var json = File.ReadAllBytes(path);
        var hashPath = Path.Combine(Path.GetDirectoryName(path)!, CheckpointManifest.HashFileName);
        var expected = Encoding.ASCII.GetBytes(CheckpointManifest.HashLine(json));
        if (new FileInfo(hashPath).Length != expected.Length || !File.ReadAllBytes(hashPath).AsSpan().SequenceEqual(expected))
        {
            throw new InvalidDataException($"its SHA-256 is not the one that {CheckpointManifest.HashFileName} gives.");
        }

        var manifest = CheckpointManifest.FromJson(json);
        var named = new CheckpointId(manifest.Lineage, manifest.Generation, manifest.Step);
        return named == id ? manifest : throw new InvalidDataException($"is that of {named}; the folder is that of {id}.");
    }

    private static void CheckFile(string path, CheckpointFileInfo file, Action advanced, CancellationToken cancellationToken)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        if (stream.Length != file.Size)
        {
            throw new InvalidDataException($"has {stream.Length} bytes; the manifest gives {file.Size}.");
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var piece = new byte[PieceLength];
        int read;
        while ((read = stream.Read(piece)) > 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            hash.AppendData(piece.AsSpan(0, read));
            advanced();
        }

        var actual = Convert.ToHexStringLower(hash.GetCurrentHash());
        if (!string.Equals(actual, file.Sha256, StringComparison.Ordinal))
        {
            throw new InvalidDataException($"its SHA-256 is {actual}; the manifest gives {file.Sha256}.");
        }
    }
}
