using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Linformer.Data;
using Linformer.Model.Files;

namespace Linformer.Worker.Ranks.Tasks.Inference;

/// <summary>A file of results.</summary>
/// <param name="File">Its name.</param>
/// <param name="FirstDocument">The number of its first document in the corpus, from 0 on.</param>
/// <param name="Documents">How many documents it has, in their order.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Sha256">Its hash, in lower-case hexadecimal.</param>
internal sealed record ResultPart(string File, long FirstDocument, int Documents, long Bytes, string Sha256);

/// <summary>
/// The folder of an inference job's results. A part is a file and, written after it, an entry beside it, so a part with an entry is
/// done, whoever did it. Everything appears whole under its name, and done twice it is the same.
/// </summary>
internal sealed class InferenceOutput
{
    /// <summary>The file that says of what the results are: it tells one run's from another's.</summary>
    public const string IdentityName = "inference.json";

    /// <summary>The file, written last, that lists all parts.</summary>
    public const string ManifestName = "manifest.json";

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    // A machine without them goes on with what another has begun; that is the same to rounding.
    private const string KernelsField = "kernels";

    private readonly string _folder;
    private readonly string _extension;

    /// <summary>Opens the folder, which is made if need be.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="extension">That of the files of results, such as <c>jsonl</c>.</param>
    /// <param name="identity">All that the results depend on, to be written as JSON.</param>
    /// <param name="kernels">Whether this process computes by kernels; written down, and no part of what they are results of.</param>
    /// <exception cref="BadDataException">It holds results of something else.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    public InferenceOutput(string folder, string extension, object identity, bool kernels)
    {
        (_folder, _extension) = (folder, extension);
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, IdentityName);
        var own = JsonSerializer.SerializeToNode(identity, Options)!.AsObject();
        if (!File.Exists(path))
        {
            if (Directory.EnumerateFiles(folder, "part-*").Any())
            {
                throw new BadDataException($"{folder} holds files of results, and no {IdentityName} that says of what. Give the job another inference.output.");
            }

            // All ranks of a kind of machine write the same.
            own[KernelsField] = kernels;
            AtomicFile.Write(path, own.ToJsonString(Options) + "\n");
        }
        else if (!JsonNode.DeepEquals(Read(path), own))
        {
            throw new BadDataException($"{folder} holds the results of another model, corpus or settings: its {IdentityName} differs from what this job would write. Give the job another inference.output, or delete the folder.");
        }
    }

    /// <summary>Whether the process that began the folder computed by kernels; null in a folder of a version that did not write it down.</summary>
    public bool? BegunWithKernels { get; private set; }

    /// <summary>The part, if it is done; null otherwise.</summary>
    /// <param name="part">Its number, from 0 on.</param>
    public ResultPart? Done(long part)
    {
        try
        {
            var entry = JsonSerializer.Deserialize<ResultPart>(File.ReadAllBytes(EntryOf(part)), Options);
            return entry is not null && entry.File == NameOf(part) && new FileInfo(Path.Combine(_folder, entry.File)) is { Exists: true } file && file.Length == entry.Bytes
                ? entry
                : null;
        }
        catch (Exception e) when (e is FileNotFoundException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Writes a part.</summary>
    /// <param name="part">Its number.</param>
    /// <param name="firstDocument">The number of its first document.</param>
    /// <param name="documents">Its documents.</param>
    /// <param name="content">The file.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Write(long part, long firstDocument, int documents, byte[] content)
    {
        AtomicFile.Write(Path.Combine(_folder, NameOf(part)), stream => stream.Write(content));
        var entry = new ResultPart(NameOf(part), firstDocument, documents, content.Length, Convert.ToHexStringLower(SHA256.HashData(content)));
        AtomicFile.Write(EntryOf(part), JsonSerializer.Serialize(entry, Options) + "\n");
    }

    /// <summary>Lists all parts in the manifest; with it the results are complete.</summary>
    /// <param name="parts">How many there are.</param>
    /// <param name="documents">How many documents.</param>
    /// <exception cref="IOException">A part is missing, or the manifest cannot be written.</exception>
    public void Finish(long parts, long documents)
    {
        var all = new List<ResultPart>();
        var next = 0L;
        for (var part = 0L; part < parts; part++)
        {
            var entry = Done(part) ?? throw new IOException($"{Path.Combine(_folder, NameOf(part))} is gone, or is not what was written. Resume the job to have it made again.");
            if (entry.FirstDocument != next)
            {
                throw new IOException($"{EntryOf(part)} begins with document {entry.FirstDocument}; {next} is expected.");
            }

            next += entry.Documents;
            all.Add(entry);
        }

        if (next != documents)
        {
            throw new IOException($"{_folder} has results of {next} documents; the corpus has {documents}.");
        }

        // Processes that were killed left them; a living one of this generation has nothing more to write.
        foreach (var unfinished in Directory.EnumerateFiles(_folder, "part-*.tmp-*"))
        {
            File.Delete(unfinished);
        }

        AtomicFile.Write(Path.Combine(_folder, ManifestName), JsonSerializer.Serialize(new { format = 1, documents, parts = all }, Options) + "\n");
    }

    // Null for what is no JSON object.
    private JsonObject? Read(string path)
    {
        try
        {
            var identity = JsonNode.Parse(File.ReadAllText(path)) as JsonObject;
            BegunWithKernels = identity?[KernelsField]?.GetValue<bool>();
            identity?.Remove(KernelsField);
            return identity;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            return null;
        }
    }

    private string NameOf(long part) => FormattableString.Invariant($"part-{part:0000000}.{_extension}");

    private string EntryOf(long part) => Path.Combine(_folder, FormattableString.Invariant($"part-{part:0000000}.json"));
}
