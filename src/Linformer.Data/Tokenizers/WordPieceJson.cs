using System.Text.Encodings.Web;
using System.Text.Json;

namespace Linformer.Data.Tokenizers;

/// <summary>Reads and writes Hugging Face's <c>tokenizer.json</c> for WordPiece.</summary>
internal static class WordPieceJson
{
    private const string Continuation = "##";

    public static WordPieceDefinition Read(ReadOnlyMemory<byte> json, string source) => TokenizerJson.Parse(json, source, root => Read(root, source));

    public static byte[] Write(WordPieceDefinition definition)
    {
        using var buffer = new MemoryStream();
        var options = new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (var json = new Utf8JsonWriter(buffer, options))
        {
            json.WriteStartObject();
            json.WriteString("version", "1.0");
            json.WriteNull("truncation");
            json.WriteNull("padding");
            TokenizerJson.WriteAdded(json, definition.Added);
            WriteNormalizer(json, definition.Normalizer);
            json.WriteStartObject("pre_tokenizer");
            json.WriteString("type", "BertPreTokenizer");
            json.WriteEndObject();
            json.WritePropertyName("post_processor");
            json.WriteRawValue(definition.PostProcessor ?? "null");
            json.WriteStartObject("decoder");
            json.WriteString("type", "WordPiece");
            json.WriteString("prefix", Continuation);
            json.WriteBoolean("cleanup", false);
            json.WriteEndObject();
            WriteModel(json, definition);
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private static WordPieceDefinition Read(JsonElement root, string source)
    {
        var normalizer = TokenizerJson.TypeOf(root, "normalizer");
        TokenizerJson.Require(normalizer == "BertNormalizer", source, $"the normalizer \"{normalizer ?? "null"}\" is not supported with WordPiece; only \"BertNormalizer\" is");
        var splitter = TokenizerJson.TypeOf(root, "pre_tokenizer");
        TokenizerJson.Require(splitter == "BertPreTokenizer", source, $"the pre_tokenizer \"{splitter ?? "null"}\" is not supported with WordPiece; only \"BertPreTokenizer\" is");
        var model = root.GetProperty("model");
        TokenizerJson.Require(model.TryGetProperty("vocab", out var vocabulary), source, "the model has no \"vocab\"");
        var prefix = model.TryGetProperty("continuing_subword_prefix", out var mark) ? mark.GetString() : Continuation;
        TokenizerJson.Require(prefix == Continuation, source, $"the model's \"continuing_subword_prefix\" is \"{prefix}\"; only \"{Continuation}\" is supported");
        return new WordPieceDefinition(source, TokenizerJson.ReadVocabulary(vocabulary), TokenizerJson.ReadAdded(root, source), ReadNormalizer(root.GetProperty("normalizer")))
        {
            Unknown = model.TryGetProperty("unk_token", out var unknown) ? unknown.GetString() ?? string.Empty : WordPieceDefinition.UnknownName,
            LongestWord = model.TryGetProperty("max_input_chars_per_word", out var longest) ? longest.GetInt32() : WordPieceDefinition.UsualLongestWord,
            PostProcessor = root.TryGetProperty("post_processor", out var post) && post.ValueKind != JsonValueKind.Null ? post.GetRawText() : null,
        };
    }

    private static BertNormalizer ReadNormalizer(JsonElement normalizer)
    {
        var lowercase = IsOn("lowercase", otherwise: true);
        return new BertNormalizer(IsOn("clean_text", otherwise: true), IsOn("handle_chinese_chars", otherwise: true), IsOn("strip_accents", lowercase), lowercase);

        bool IsOn(string name, bool otherwise) =>
            normalizer.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value.GetBoolean() : otherwise;
    }

    private static void WriteNormalizer(Utf8JsonWriter json, BertNormalizer normalizer)
    {
        json.WriteStartObject("normalizer");
        json.WriteString("type", "BertNormalizer");
        json.WriteBoolean("clean_text", normalizer.CleanText);
        json.WriteBoolean("handle_chinese_chars", normalizer.SpaceChinese);
        json.WriteBoolean("strip_accents", normalizer.StripAccents);
        json.WriteBoolean("lowercase", normalizer.Lowercase);
        json.WriteEndObject();
    }

    private static void WriteModel(Utf8JsonWriter json, WordPieceDefinition definition)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "WordPiece");
        json.WriteString("unk_token", definition.Unknown);
        json.WriteString("continuing_subword_prefix", Continuation);
        json.WriteNumber("max_input_chars_per_word", definition.LongestWord);
        json.WriteStartObject("vocab");
        foreach (var (token, id) in definition.Vocabulary.OrderBy(token => token.Value))
        {
            json.WriteNumber(token, id);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }
}
