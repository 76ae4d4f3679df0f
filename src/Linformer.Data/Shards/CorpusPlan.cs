using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Linformer.Data.Corpora;
using Linformer.Data.Labelled;
using Linformer.Data.Tokenizers;
using Linformer.Model.Files;

namespace Linformer.Data.Shards;

/// <summary>A file of a planned corpus.</summary>
/// <param name="Path">Its path relative to the storage root.</param>
/// <param name="Bytes">Its size on disk.</param>
/// <param name="Sha256">SHA-256 of its content, in lower-case hexadecimal.</param>
public sealed record PlannedFile(string Path, long Bytes, string Sha256);

/// <summary>A part of a file that goes into a shard.</summary>
/// <param name="File">The file's index in the plan.</param>
/// <param name="Start">Where the part should begin, in bytes; see <see cref="CorpusReader.Read"/>.</param>
/// <param name="End">Where it should end.</param>
public sealed record PlannedSegment(int File, long Start, long End);

/// <summary>
/// How a corpus is cut into token shards: a function of the files' content and the settings, not of who makes the shards.
/// Any process can make any of the shards from it.
/// </summary>
/// <param name="FormatVersion">The version of the shards' format.</param>
/// <param name="Fingerprint">SHA-256 over everything that decides the shards' content; file names do not.</param>
/// <param name="TokenizerSha256">The tokenizer's hash.</param>
/// <param name="VocabularySize">The tokenizer's number of ids.</param>
/// <param name="Separator">The line that ends a document in text files; see <see cref="CorpusReader.Read"/>.</param>
/// <param name="Files">The files, in order.</param>
/// <param name="Shards">For each shard the parts of files in it, in order.</param>
/// <param name="Examples">Where labelled examples are in the files; null for a corpus of text.</param>
/// <param name="FirstHeldOutShard">The shard from which on all are held out; null if no files are.</param>
public sealed record CorpusPlan(
    int FormatVersion,
    string Fingerprint,
    string TokenizerSha256,
    int VocabularySize,
    string? Separator,
    IReadOnlyList<PlannedFile> Files,
    IReadOnlyList<IReadOnlyList<PlannedSegment>> Shards,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] ExampleLayout? Examples = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? FirstHeldOutShard = null)
{
    /// <summary>The file name of a plan in the corpus's folder.</summary>
    public const string FileName = "plan.json";

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        NewLine = "\n",
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    // Text in gzip is about this many times its size on disk.
    private const int GzipRatio = 3;

    /// <summary>Plans the shards of a corpus.</summary>
    /// <param name="files">The files with their hashes, in the order of <see cref="CorpusFiles.Resolve"/>.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="separator">The line that ends a document in text files; see <see cref="CorpusReader.Read"/>.</param>
    /// <param name="shardBytes">About how many bytes of text go into a shard; at least 1. Compressed files, comma-separated values, and examples are not cut.</param>
    /// <param name="examples">Where labelled examples are in the files; null for text.</param>
    /// <param name="heldOutFiles">How many files at the end are held out.</param>
    /// <returns>The plan.</returns>
    public static CorpusPlan Create(
        IReadOnlyList<PlannedFile> files, ITokenizer tokenizer, string? separator, long shardBytes, ExampleLayout? examples = null, int heldOutFiles = 0)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentOutOfRangeException.ThrowIfLessThan(shardBytes, 1);
        var wholeFiles = examples?.Format == ExampleFormat.Folders;
        var shards = Cut(files, 0, files.Count - heldOutFiles, shardBytes, wholeFiles);
        int? firstHeldOut = heldOutFiles > 0 ? shards.Count : null;
        shards.AddRange(Cut(files, files.Count - heldOutFiles, files.Count, shardBytes, wholeFiles));
        var plan = new CorpusPlan(
            ShardFile.FormatVersion, string.Empty, tokenizer.Sha256, tokenizer.VocabularySize, separator, files, shards, examples, firstHeldOut);
        return plan with { Fingerprint = FingerprintOf(plan) };
    }

    /// <summary>Writes the plan into a folder, through a temporary file.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Save(string folder) =>
        AtomicFile.Write(Path.Combine(folder, FileName), stream => JsonSerializer.Serialize(stream, this, Options));

    /// <summary>Reads the plan of a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="fingerprint">The fingerprint that it must have.</param>
    /// <returns>The plan.</returns>
    /// <exception cref="BadDataException">It is damaged, or of another corpus.</exception>
    /// <exception cref="IOException">There is none, or it cannot be read.</exception>
    public static CorpusPlan Load(string folder, string fingerprint)
    {
        var path = Path.Combine(folder, FileName);
        CorpusPlan? plan;
        try
        {
            using var stream = File.OpenRead(path);
            plan = JsonSerializer.Deserialize<CorpusPlan>(stream, Options);
        }
        catch (JsonException e)
        {
            throw new BadDataException($"The plan {path} is damaged: {e.Message}", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw Unreadable.As($"The plan {path} cannot be read: {e.Message}", e);
        }

        if (plan is not null && !plan.IsSound())
        {
            throw new BadDataException($"The plan {path} is damaged: it has no files or no vocabulary, or a part of a shard lies outside of its file.");
        }

        if (plan is null || plan.FormatVersion != ShardFile.FormatVersion || FingerprintOf(plan) != plan.Fingerprint)
        {
            throw new BadDataException($"The plan {path} is damaged or of another version: it does not have the fingerprint that it names.");
        }

        return plan.Fingerprint == fingerprint
            ? plan
            : throw new BadDataException($"The plan {path} is of another corpus: its fingerprint is {plan.Fingerprint}, expected {fingerprint}.");
    }

    /// <summary>The file that a part of a shard is of, as it is on this machine.</summary>
    /// <param name="segment">The part.</param>
    /// <param name="root">The storage root that the files lie under.</param>
    /// <exception cref="BadDataException">There is no such file below the root.</exception>
    internal CorpusFile FileOf(PlannedSegment segment, string root)
    {
        var file = Files[segment.File];
        return CorpusFiles.Describe(file.Path, CorpusFiles.ResolveOne(root, file.Path, "The plan of the corpus"), file.Bytes) with { Root = root };
    }

    /// <summary>The file name of a shard.</summary>
    /// <param name="index">The shard's number.</param>
    /// <returns>For example <c>shard-00000.tokens</c>.</returns>
    public static string ShardName(int index) => $"shard-{index:00000}.tokens";

    // Elements of lists may be null whatever the annotations say.
    private bool IsSound() =>
        VocabularySize > 0
        && Files.All(file => file is { Bytes: >= 0 })
        && Files.Aggregate((Int128)0, (sum, file) => sum + file.Bytes) <= long.MaxValue
        && Shards.All(shard => shard is not null && shard.All(part =>
            part is { Start: >= 0 } && part.End >= part.Start && part.File >= 0 && part.File < Files.Count && part.End <= Files[part.File].Bytes));

    private static string FingerprintOf(CorpusPlan plan)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(JsonSerializer.SerializeToUtf8Bytes(new
        {
            ShardFile.FormatVersion,
            Sha256 = plan.TokenizerSha256,
            plan.Separator,
            Files = plan.Files.Select(file => new { file.Sha256, file.Bytes, Kind = KindOf(file) }),
            plan.Shards,
        }));
        if (plan.Examples is { } examples)
        {
            // The names of folders are labels.
            var classes = examples.Format == ExampleFormat.Folders ? plan.Files.Select(file => ExampleReader.FolderOf(file.Path)) : [];
            hash.AppendData(JsonSerializer.SerializeToUtf8Bytes(new { examples, plan.FirstHeldOutShard, classes }));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static List<IReadOnlyList<PlannedSegment>> Cut(IReadOnlyList<PlannedFile> files, int from, int to, long shardBytes, bool wholeFiles)
    {
        var shards = new List<IReadOnlyList<PlannedSegment>>();
        var current = new List<PlannedSegment>();
        var filled = 0L;
        for (var index = from; index < to; index++)
        {
            var described = CorpusFiles.Describe(files[index].Path, string.Empty, files[index].Bytes);
            if (wholeFiles && files[index].Bytes == 0)
            {
                // An empty text is an example, too.
                current.Add(new PlannedSegment(index, 0, 0));
            }

            for (var start = 0L; start < files[index].Bytes;)
            {
                var left = files[index].Bytes - start;
                var length = described.IsWhole || wholeFiles ? left : Math.Min(left, shardBytes - filled);
                current.Add(new PlannedSegment(index, start, start + length));
                start += length;
                filled += described.IsCompressed ? length * GzipRatio : length;
                if (filled >= shardBytes)
                {
                    shards.Add(current);
                    (current, filled) = ([], 0);
                }
            }
        }

        if (current.Count > 0)
        {
            shards.Add(current);
        }

        return shards;
    }

    private static string KindOf(PlannedFile file)
    {
        var described = CorpusFiles.Describe(file.Path, string.Empty, file.Bytes);
        return $"{described.Format}{(described.IsCompressed ? " gzip" : string.Empty)}";
    }
}
