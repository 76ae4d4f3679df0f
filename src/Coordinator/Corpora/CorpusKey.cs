using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Linformer.Coordinator.Corpora;

/// <summary>Which corpus a job means: jobs with the same files, separator and tokenizer share one.</summary>
/// <param name="CorpusId">The first 16 hexadecimal digits of the SHA-256 of the settings.</param>
/// <param name="SettingsJson">
/// Those fields of the job file's section <c>corpus</c> that decide its tokens, in a fixed order: <c>files</c>, <c>heldOutFiles</c>, <c>separator</c>
/// and <c>examples</c> unless there are none, <c>tokenizer</c>.
/// </param>
public sealed record CorpusKey(string CorpusId, string SettingsJson)
{
    private static readonly string[] Deciding = ["files", "heldOutFiles", "separator", "tokenizer", "examples"];

    // Texts of all languages stay readable; the settings never become part of a page as they are.
    private static readonly JsonSerializerOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The corpus of a job.</summary>
    /// <param name="jobJson">The job file with all settings resolved, as JSON.</param>
    /// <exception cref="FormatException">The text is not JSON, or has no section <c>corpus</c>.</exception>
    public static CorpusKey Of(string jobJson)
    {
        JsonObject corpus;
        try
        {
            corpus = JsonNode.Parse(jobJson)?["corpus"]?.AsObject() ?? throw new FormatException("The job file has no section corpus.");
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new FormatException($"The job file is not JSON with a section corpus: {exception.Message}", exception);
        }
        var settings = new JsonObject();
        foreach (var field in Deciding)
        {
            if (corpus[field] is { } value)
                settings[field] = value.DeepClone();
        }
        var json = settings.ToJsonString(Options);
        return new CorpusKey(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(json)))[..16], json);
    }
}
