using System.Text.Json;
using System.Text.Json.Nodes;
using Linformer.Model.Classification;

namespace Linformer.Model;

/// <summary>
/// <c>config.json</c> of a model folder, with the field names that Hugging Face uses where it has them.
/// </summary>
public static partial class ConfigFile
{
    /// <summary>The file's name in a model folder.</summary>
    public const string Name = "config.json";

    private const string ModelType = "linformer";
    private const string DecoderName = "decoder";
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private static readonly Dictionary<ModelKind, string> KindNames = new()
    {
        [ModelKind.MaskedLanguage] = "masked-lm",
        [ModelKind.CausalLanguage] = "causal-lm",
        [ModelKind.Classification] = "classification",
        [ModelKind.SequenceToSequence] = "sequence-to-sequence",
        [ModelKind.OpenDecoder] = "open-decoder",
        [ModelKind.OpenSequenceToSequence] = "open-sequence-to-sequence",
    };

    /// <summary>What a kind is called in the file and in job files.</summary>
    /// <param name="kind">The kind.</param>
    public static string NameOf(ModelKind kind) => KindNames[kind];

    /// <summary>The file's text.</summary>
    /// <param name="model">What it describes.</param>
    public static string Write(ModelDescription model)
    {
        var fields = new JsonObject { ["model_type"] = ModelType, ["architecture"] = KindNames[model.Kind] };
        WriteShape(fields, model.Config);
        if (model.Classification is { } head)
        {
            ClassificationFields.Write(head, fields);
        }

        if (model.Decoder is { } decoder)
        {
            var own = new JsonObject();
            WriteShape(own, decoder);
            fields[DecoderName] = own;
        }

        return fields.ToJsonString(Indented) + "\n";
    }

    /// <summary>Reads the file's text. Fields that it does not know are left alone; a file that does not say what the model is for is of a masked-LM.</summary>
    /// <param name="json">The text.</param>
    /// <param name="path">The file's path, for messages.</param>
    /// <exception cref="ModelFormatException">The text is not such a file; names the field, its value and what is allowed.</exception>
    public static ModelDescription Read(string json, string path)
    {
        try
        {
            var root = JsonNode.Parse(json) as JsonObject ?? throw new ModelFormatException($"{path}: a JSON object is expected.");
            var fields = new ConfigFields(root, path);
            var type = fields.Text("model_type");
            if (type != ModelType)
            {
                throw new ModelFormatException($"{path}: model_type is '{type}'; it must be '{ModelType}'.");
            }

            var config = ReadShape(fields);
            var kind = fields.OneOf("architecture", KindNames, absent: ModelKind.MaskedLanguage);
            return new ModelDescription(kind, config)
            {
                Classification = kind == ModelKind.Classification ? ClassificationFields.Read(root, path) : null,
                Decoder = kind == ModelKind.OpenSequenceToSequence ? ReadShape(fields.Inner(DecoderName)) : null,
            };
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            // InvalidOperationException: an escape such as \ud800 that is no character.
            throw new ModelFormatException($"{path}: {e.Message}", e);
        }
    }

    private static void WriteShape(JsonObject fields, LinformerConfig config)
    {
        fields["vocab_size"] = config.VocabularySize;
        fields["num_hidden_layers"] = config.Layers;
        fields["num_attention_heads"] = config.Heads;
        fields["hidden_size"] = config.Hidden;
        fields["intermediate_size"] = config.FeedForward;
        fields["max_position_embeddings"] = config.SequenceLength;
        fields["projected_length"] = config.ProjectedLength;
        fields["sharing"] = SharingNames[config.Sharing];
        fields["attention"] = AttentionNames[config.Attention];
        fields["normalization"] = NormalizationNames[config.Normalization];
        fields["hidden_dropout_prob"] = config.Dropout;
        fields["layer_norm_eps"] = config.NormEpsilon;
        AddVariants(fields, config);
    }

    private static LinformerConfig ReadShape(ConfigFields fields)
    {
        var config = WithVariants(
            new LinformerConfig
            {
                VocabularySize = fields.Number<int>("vocab_size"),
                Layers = fields.Number<int>("num_hidden_layers"),
                Heads = fields.Number<int>("num_attention_heads"),
                Hidden = fields.Number<int>("hidden_size"),
                FeedForward = fields.Number<int>("intermediate_size"),
                SequenceLength = fields.Number<int>("max_position_embeddings"),
                ProjectedLength = fields.Number<int>("projected_length"),
                Sharing = fields.OneOf("sharing", SharingNames),
                Attention = fields.OneOf("attention", AttentionNames),
                Normalization = fields.OneOf("normalization", NormalizationNames),
                Dropout = fields.Number<double>("hidden_dropout_prob"),
                NormEpsilon = fields.Number<double>("layer_norm_eps"),
            },
            fields);
        fields.Check(config);
        return config;
    }
}
