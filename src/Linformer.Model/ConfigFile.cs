using System.Text.Json;
using System.Text.Json.Nodes;

namespace Linformer.Model;

/// <summary>
/// <c>config.json</c> of a model folder, with the field names that Hugging Face uses where it has them.
/// </summary>
public static class ConfigFile
{
    /// <summary>The file's name in a model folder.</summary>
    public const string Name = "config.json";

    private const string ModelType = "linformer";
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private static readonly Dictionary<ProjectionSharing, string> SharingNames = new()
    {
        [ProjectionSharing.None] = "none",
        [ProjectionSharing.Headwise] = "headwise",
        [ProjectionSharing.KeyValue] = "key-value",
        [ProjectionSharing.Layerwise] = "layerwise",
    };

    private static readonly Dictionary<AttentionKind, string> AttentionNames = new()
    {
        [AttentionKind.Linear] = "linear",
        [AttentionKind.Full] = "full",
    };

    private static readonly Dictionary<Normalization, string> NormalizationNames = new()
    {
        [Normalization.Pre] = "pre",
        [Normalization.Post] = "post",
    };

    /// <summary>The file's text.</summary>
    /// <param name="config">The model's shape.</param>
    public static string Write(LinformerConfig config) => new JsonObject
    {
        ["model_type"] = ModelType,
        ["vocab_size"] = config.VocabularySize,
        ["num_hidden_layers"] = config.Layers,
        ["num_attention_heads"] = config.Heads,
        ["hidden_size"] = config.Hidden,
        ["intermediate_size"] = config.FeedForward,
        ["max_position_embeddings"] = config.SequenceLength,
        ["projected_length"] = config.ProjectedLength,
        ["sharing"] = SharingNames[config.Sharing],
        ["attention"] = AttentionNames[config.Attention],
        ["normalization"] = NormalizationNames[config.Normalization],
        ["hidden_dropout_prob"] = config.Dropout,
        ["layer_norm_eps"] = config.NormEpsilon,
    }.ToJsonString(Indented) + "\n";

    /// <summary>Reads the file's text. Fields that it does not know are left alone.</summary>
    /// <param name="json">The text.</param>
    /// <param name="path">The file's path, for messages.</param>
    /// <exception cref="ModelFormatException">The text is not such a file; names the field, its value and what is allowed.</exception>
    public static LinformerConfig Read(string json, string path)
    {
        try
        {
            var fields = JsonNode.Parse(json) as JsonObject
                ?? throw new ModelFormatException($"{path}: a JSON object is expected.");
            var type = Text(fields, "model_type", path);
            if (type != ModelType)
            {
                throw new ModelFormatException($"{path}: model_type is '{type}'; it must be '{ModelType}'.");
            }

            var config = new LinformerConfig
            {
                VocabularySize = Number<int>(fields, "vocab_size", path),
                Layers = Number<int>(fields, "num_hidden_layers", path),
                Heads = Number<int>(fields, "num_attention_heads", path),
                Hidden = Number<int>(fields, "hidden_size", path),
                FeedForward = Number<int>(fields, "intermediate_size", path),
                SequenceLength = Number<int>(fields, "max_position_embeddings", path),
                ProjectedLength = Number<int>(fields, "projected_length", path),
                Sharing = OneOf(fields, "sharing", SharingNames, path),
                Attention = OneOf(fields, "attention", AttentionNames, path),
                Normalization = OneOf(fields, "normalization", NormalizationNames, path),
                Dropout = Number<double>(fields, "hidden_dropout_prob", path),
                NormEpsilon = Number<double>(fields, "layer_norm_eps", path),
            };
            config.Validate();
            return config;
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            // InvalidOperationException: an escape such as \ud800 that is no character.
            throw new ModelFormatException($"{path}: {e.Message}", e);
        }
    }

    private static T Number<T>(JsonObject fields, string name, string path) =>
        fields[name] is JsonValue value && value.TryGetValue<T>(out var number)
            ? number
            : throw new ModelFormatException($"{path}: {name} is {Shown(fields[name])}; a {(typeof(T) == typeof(int) ? "whole " : "")}number is expected.");

    private static string Text(JsonObject fields, string name, string path) =>
        fields[name] is JsonValue value && value.TryGetValue<string>(out var text)
            ? text
            : throw new ModelFormatException($"{path}: {name} is {Shown(fields[name])}; a text is expected.");

    private static T OneOf<T>(JsonObject fields, string name, Dictionary<T, string> names, string path)
        where T : struct, Enum
    {
        var text = Text(fields, name, path);
        foreach (var (value, valueName) in names)
        {
            if (valueName == text)
            {
                return value;
            }
        }

        throw new ModelFormatException($"{path}: {name} is '{text}'; allowed are {string.Join(", ", names.Values)}.");
    }

    private static string Shown(JsonNode? node) => node?.ToJsonString() ?? "missing";
}
