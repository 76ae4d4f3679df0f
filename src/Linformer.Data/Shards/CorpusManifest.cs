using System.Text.Json;
using System.Text.Json.Serialization;
using Linformer.Data.Labelled;
using Linformer.Model.Files;

namespace Linformer.Data.Shards;

/// <summary>
/// What a folder of shards holds. It is written last, so a folder with a manifest is complete, and it is the same
/// whoever made the shards.
/// </summary>
/// <param name="FormatVersion">The version of the shards' format.</param>
/// <param name="Fingerprint">The plan's fingerprint.</param>
/// <param name="TokenizerSha256">The tokenizer's hash.</param>
/// <param name="VocabularySize">The tokenizer's number of ids.</param>
/// <param name="Separator">The line that ended a document in text files; null if each file was one.</param>
/// <param name="Documents">The number of documents.</param>
/// <param name="Tokens">The number of tokens, without separators.</param>
/// <param name="Files">The files that the shards were made from.</param>
/// <param name="Shards">The shards, in order.</param>
/// <param name="Examples">Where the labelled examples were in the files; null for text.</param>
/// <param name="FirstHeldOutShard">The shard from which on all are held out; null if no files were.</param>
public sealed record CorpusManifest(
    int FormatVersion,
    string Fingerprint,
    string TokenizerSha256,
    int VocabularySize,
    string? Separator,
    long Documents,
    long Tokens,
    IReadOnlyList<PlannedFile> Files,
    IReadOnlyList<ShardInfo> Shards,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] ExampleLayout? Examples = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? FirstHeldOutShard = null)
{
    /// <summary>The manifest's file name.</summary>
    public const string FileName = "manifest.json";

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        NewLine = "\n",
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    /// <summary>Makes the manifest of a finished plan.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="shards">Its shards, in order.</param>
    /// <returns>The manifest.</returns>
    /// <exception cref="BadDataException">The shards have no tokens.</exception>
    public static CorpusManifest Create(CorpusPlan plan, IReadOnlyList<ShardInfo> shards)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(shards);
        var tokens = shards.Sum(shard => shard.Tokens);
        return tokens > 0
            ? new CorpusManifest(plan.FormatVersion, plan.Fingerprint, plan.TokenizerSha256, plan.VocabularySize, plan.Separator, shards.Sum(shard => shard.Documents), tokens, plan.Files, shards, plan.Examples, plan.FirstHeldOutShard)
            : throw new BadDataException($"The corpus is empty: its {plan.Files.Count} file(s) hold no text.");
    }

    /// <summary>Writes the manifest into a folder, through a temporary file.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Save(string folder) =>
        AtomicFile.Write(Path.Combine(folder, FileName), stream => JsonSerializer.Serialize(stream, this, Options));

    /// <summary>Reads the manifest of a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <returns>The manifest.</returns>
    /// <exception cref="BadDataException">There is none, or it is damaged.</exception>
    /// <exception cref="IOException">The system cannot read it now.</exception>
    public static CorpusManifest Load(string folder)
    {
        var path = Path.Combine(folder, FileName);
        try
        {
            using var stream = File.OpenRead(path);
            var manifest = JsonSerializer.Deserialize<CorpusManifest>(stream, Options)
                ?? throw new BadDataException($"The manifest {path} is damaged: it is empty.");
            if (manifest.FormatVersion != ShardFile.FormatVersion)
            {
                throw new BadDataException($"The manifest {path} has the format version {manifest.FormatVersion}, expected {ShardFile.FormatVersion}.");
            }

            return manifest.IsSound()
                ? manifest
                : throw new BadDataException($"The manifest {path} is damaged: its shards do not fit its totals, or lie outside its folder.");
        }
        catch (JsonException e)
        {
            throw new BadDataException($"The manifest {path} is damaged: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable.As($"The manifest {path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Reads every shard and compares its SHA-256 with the manifest's.</summary>
    /// <param name="folder">The folder of the shards.</param>
    /// <param name="done">Told the number of bytes read, each time that some were.</param>
    /// <param name="cancellationToken">Stops the check.</param>
    /// <exception cref="BadDataException">A shard is missing, cut off or altered.</exception>
    public void Verify(string folder, Action<long>? done = null, CancellationToken cancellationToken = default)
    {
        foreach (var shard in Shards)
        {
            using var reader = ShardReader.Open(folder, shard, VocabularySize);
            reader.Verify(done, cancellationToken);
        }
    }

    private bool IsSound()
    {
        // Elements of lists may be null whatever the annotations say.
        if (Files.Any(file => file is null) || Shards.Any(shard => shard is null || shard.Tokens < 0 || shard.Documents < 0 || !IsPlainName(shard.File)))
        {
            return false;
        }

        if (Shards.DistinctBy(shard => shard.File, StringComparer.Ordinal).Count() < Shards.Count)
        {
            return false;
        }

        Int128 tokens = 0;
        foreach (var shard in Shards)
        {
            tokens += shard.Tokens;
        }

        return tokens == Tokens && VocabularySize > 0 && (FirstHeldOutShard is null || (FirstHeldOutShard >= 0 && FirstHeldOutShard <= Shards.Count));
    }

    private static bool IsPlainName(string name) =>
        name.Length > 0 && name is not ("." or "..") && !name.Contains('\0', StringComparison.Ordinal) && Path.GetFileName(name) == name;
}
