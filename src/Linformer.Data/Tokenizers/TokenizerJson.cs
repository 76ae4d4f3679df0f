using System.Text.Encodings.Web;
using System.Text.Json;

namespace Linformer.Data.Tokenizers;

/// <summary>Reads and writes Hugging Face's <c>tokenizer.json</c> for byte-level BPE.</summary>
internal static class TokenizerJson
{
    private const string ByteLevel = "ByteLevel";

    public static byte[] ReadFile(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable.As($"The tokenizer file {path} cannot be read: {e.Message}", e);
        }
    }

    public static (string Left, string Right)? SplitMerge(string text)
    {
        var space = text.IndexOf(' ');
        return space > 0 && space == text.LastIndexOf(' ') && space < text.Length - 1 ? (text[..space], text[(space + 1)..]) : null;
    }

    public static TokenizerDefinition Read(ReadOnlyMemory<byte> json, string source) => Parse(json, source, root => Read(root, source));

    /// <summary>Reads the JSON of a tokenizer, with the errors of a bad one.</summary>
    public static T Parse<T>(ReadOnlyMemory<byte> json, string source, Func<JsonElement, T> read)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            Require(root.ValueKind == JsonValueKind.Object && root.TryGetProperty("model", out _), source, "not a tokenizer.json: it has no \"model\"");
            return read(root);
        }
        catch (JsonException e)
        {
            throw new BadDataException($"{source}: not valid JSON: {e.Message}", e);
        }
        catch (InvalidOperationException e)
        {
            throw new BadDataException($"{source}: a value has another type than tokenizer.json has there: {e.Message}", e);
        }
        catch (FormatException e)
        {
            throw new BadDataException($"{source}: a token id is not a whole number: {e.Message}", e);
        }
    }

    public static byte[] Write(TokenizerDefinition definition)
    {
        using var buffer = new MemoryStream();
        var options = new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (var json = new Utf8JsonWriter(buffer, options))
        {
            json.WriteStartObject();
            json.WriteString("version", "1.0");
            json.WriteNull("truncation");
            json.WriteNull("padding");
            WriteAdded(json, definition.Added);
            json.WriteNull("normalizer");
            WriteByteLevel(json, "pre_tokenizer", definition.AddPrefixSpace);
            json.WritePropertyName("post_processor");
            json.WriteRawValue(definition.PostProcessor ?? "null");
            WriteByteLevel(json, "decoder", definition.AddPrefixSpace);
            WriteModel(json, definition);
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private static TokenizerDefinition Read(JsonElement root, string source)
    {
        var model = root.GetProperty("model");
        Require(TypeOf(root, "normalizer") is null, source, $"the normalizer \"{TypeOf(root, "normalizer")}\" is not supported; only none is");
        Require(TypeOf(root, "pre_tokenizer") == ByteLevel, source, $"the pre_tokenizer \"{TypeOf(root, "pre_tokenizer") ?? "null"}\" is not supported; only \"ByteLevel\" is");
        Require(TypeOf(root, "decoder") is null or ByteLevel, source, $"the decoder \"{TypeOf(root, "decoder")}\" is not supported; only \"ByteLevel\" is");
        // Old files have a BPE model without a type.
        Require((TypeOf(root, "model") ?? "BPE") == "BPE", source, $"the model \"{TypeOf(root, "model")}\" is not supported; only \"BPE\" is");
        foreach (var name in (string[])["dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges"])
        {
            Require(IsOff(model, name), source, $"the model's \"{name}\" is set, which is not supported");
        }

        var splitter = root.GetProperty("pre_tokenizer");
        Require(!splitter.TryGetProperty("use_regex", out var regex) || regex.GetBoolean(), source, "the pre_tokenizer's \"use_regex\" is false, which is not supported");
        Require(model.TryGetProperty("vocab", out var vocabulary), source, "the model has no \"vocab\"");
        Require(model.TryGetProperty("merges", out var merges), source, "the model has no \"merges\"");
        return new TokenizerDefinition(source, ReadVocabulary(vocabulary), ReadMerges(merges, source), ReadAdded(root, source))
        {
            AddPrefixSpace = splitter.TryGetProperty("add_prefix_space", out var prefix) && prefix.GetBoolean(),
            PostProcessor = root.TryGetProperty("post_processor", out var post) && post.ValueKind != JsonValueKind.Null ? post.GetRawText() : null,
        };
    }

    public static void Require(bool condition, string source, string message)
    {
        if (!condition)
        {
            throw new BadDataException($"{source}: {message}.");
        }
    }

    public static string? TypeOf(JsonElement root, string part) =>
        root.TryGetProperty(part, out var element) && element.ValueKind == JsonValueKind.Object && element.TryGetProperty("type", out var type)
            ? type.GetString()
            : null;

    private static bool IsOff(JsonElement model, string name) => !model.TryGetProperty(name, out var value) || value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.String => value.GetString()!.Length == 0,
        JsonValueKind.Number => value.GetDouble() == 0,
        _ => false,
    };

    public static Dictionary<string, int> ReadVocabulary(JsonElement vocabulary)
    {
        var tokens = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var token in vocabulary.EnumerateObject())
        {
            tokens[token.Name] = token.Value.GetInt32();
        }

        return tokens;
    }

    private static List<(string Left, string Right)> ReadMerges(JsonElement merges, string source)
    {
        var pairs = new List<(string, string)>();
        foreach (var merge in merges.EnumerateArray())
        {
            var pair = merge.ValueKind == JsonValueKind.String
                ? SplitMerge(merge.GetString()!)
                : merge.GetArrayLength() == 2 && merge[0].GetString() is { Length: > 0 } left && merge[1].GetString() is { Length: > 0 } right ? (left, right) : null;
            pairs.Add(pair ?? throw new BadDataException($"{source}: merge {pairs.Count} ({merge.GetRawText()}) is not a pair of tokens."));
        }

        return pairs;
    }

    public static List<AddedToken> ReadAdded(JsonElement root, string source)
    {
        var added = new List<AddedToken>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        if (!root.TryGetProperty("added_tokens", out var tokens) || tokens.ValueKind == JsonValueKind.Null)
        {
            return added;
        }

        foreach (var token in tokens.EnumerateArray())
        {
            Require(token.TryGetProperty("id", out var id) && token.TryGetProperty("content", out _), source, $"the added token {token.GetRawText()} has no \"id\" or no \"content\"");
            var content = token.GetProperty("content").GetString();
            Require(!string.IsNullOrEmpty(content), source, $"the added token {token.GetRawText()} has an empty \"content\"");
            Require(names.Add(content!), source, $"the added token \"{content}\" is there twice");
            added.Add(new AddedToken(id.GetInt32(), content!, token.TryGetProperty("special", out var special) && special.GetBoolean()));
        }

        return added;
    }

    public static void WriteAdded(Utf8JsonWriter json, IReadOnlyList<AddedToken> tokens)
    {
        json.WriteStartArray("added_tokens");
        foreach (var token in tokens)
        {
            json.WriteStartObject();
            json.WriteNumber("id", token.Id);
            json.WriteString("content", token.Content);
            json.WriteBoolean("single_word", false);
            // A mask takes the space before it, as in RoBERTa: " <mask>" in a prompt stands for a word with its space.
            json.WriteBoolean("lstrip", token.Content == "<mask>");
            json.WriteBoolean("rstrip", false);
            json.WriteBoolean("normalized", !token.IsSpecial);
            json.WriteBoolean("special", token.IsSpecial);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, string part, bool addPrefixSpace)
    {
        json.WriteStartObject(part);
        json.WriteString("type", ByteLevel);
        json.WriteBoolean("add_prefix_space", addPrefixSpace);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", true);
        json.WriteEndObject();
    }

    private static void WriteModel(Utf8JsonWriter json, TokenizerDefinition definition)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteNull("dropout");
        json.WriteNull("unk_token");
        json.WriteNull("continuing_subword_prefix");
        json.WriteNull("end_of_word_suffix");
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteBoolean("ignore_merges", false);
        json.WriteStartObject("vocab");
        foreach (var (token, id) in definition.Vocabulary.OrderBy(token => token.Value))
        {
            json.WriteNumber(token, id);
        }

        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach (var (left, right) in definition.Merges)
        {
            // The older notation: every version reads it, and byte-level tokens contain no space.
            json.WriteStringValue($"{left} {right}");
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
