using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Linformer.Training.Checkpoints;

/// <summary>
/// <c>manifest.json</c>: what a checkpoint's folder holds. Beside it stands <c>manifest.json.sha256</c>, in the format of
/// <c>sha256sum</c>, so that a change of the manifest itself is noticed.
/// </summary>
internal sealed record CheckpointManifest(
    int FormatVersion,
    int Lineage,
    int Generation,
    long Step,
    long SamplesConsumed,
    int SampleOrderVersion,
    string JobJson,
    DateTimeOffset Created,
    IReadOnlyList<CheckpointFileInfo> Files)
{
    public const string FileName = "manifest.json";
    public const string HashFileName = FileName + ".sha256";
    public const int CurrentFormatVersion = 1;

    /// <summary>No manifest is longer; reading never takes more memory than this.</summary>
    public const int MaximumLength = 16 << 20;

    private static readonly SearchValues<char> NameCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    /// <summary>Whether a name stays within the folder, on any file system, and is not one of the manifest's own.</summary>
    public static bool IsFileName(string? name) =>
        name is { Length: > 0 and <= 200 } && name[0] != '.' && !name.AsSpan().ContainsAnyExcept(NameCharacters)
        && name is not (FileName or HashFileName);

    public static string HashLine(ReadOnlySpan<byte> manifest) =>
        $"{Convert.ToHexStringLower(SHA256.HashData(manifest))}  {FileName}\n";

    public byte[] ToJson() => [.. JsonSerializer.SerializeToUtf8Bytes(this, ManifestJson.Default.CheckpointManifest), (byte)'\n'];

    public CheckpointInfo ToInfo(string folder) => new(
        new CheckpointId(Lineage, Generation, Step),
        folder,
        new CheckpointMetadata(SamplesConsumed, SampleOrderVersion, JobJson),
        Created,
        Files);

    /// <summary>Reads and checks a manifest whose hash is right.</summary>
    /// <exception cref="InvalidDataException">A field is missing or has a value that is not allowed.</exception>
    public static CheckpointManifest FromJson(ReadOnlySpan<byte> json)
    {
        CheckpointManifest? manifest;
        try
        {
            manifest = JsonSerializer.Deserialize(json, ManifestJson.Default.CheckpointManifest);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"is not a manifest: {e.Message}", e);
        }

        if (manifest is null)
        {
            throw new InvalidDataException("is not a manifest: null");
        }

        if (manifest.FormatVersion != CurrentFormatVersion)
        {
            throw new InvalidDataException($"has format version {manifest.FormatVersion}; this program reads {CurrentFormatVersion}.");
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var file in manifest.Files)
        {
            if (file is null || !IsFileName(file.Name) || file.Size < 0 || !names.Add(file.Name))
            {
                throw new InvalidDataException($"lists the file '{file?.Name}' of {file?.Size} bytes; allowed are different plain names and sizes from 0.");
            }
        }

        return manifest;
    }

}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(CheckpointManifest))]
internal sealed partial class ManifestJson : JsonSerializerContext;
