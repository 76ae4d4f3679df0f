using System.Text.Json.Nodes;

namespace Linformer.Model;

// What a file says only where it differs from the plain Linformer, which is that of a file without these fields.
public static partial class ConfigFile
{
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

    private static readonly Dictionary<ProjectionKind, string> ProjectionNames = new()
    {
        [ProjectionKind.Learned] = "learned",
        [ProjectionKind.Convolution] = "convolution",
        [ProjectionKind.MeanPool] = "mean-pool",
        [ProjectionKind.MaxPool] = "max-pool",
        [ProjectionKind.Fixed] = "fixed",
    };

    private static readonly Dictionary<PositionKind, string> PositionNames = new()
    {
        [PositionKind.Learned] = "learned",
        [PositionKind.Sinusoidal] = "sinusoidal",
    };

    private static readonly Dictionary<Activation, string> ActivationNames = new()
    {
        [Activation.Gelu] = "gelu",
        [Activation.Relu] = "relu",
    };

    private static readonly Dictionary<Checkpointing, string> CheckpointingNames = new()
    {
        [Checkpointing.None] = "none",
        [Checkpointing.Layer] = "layer",
        [Checkpointing.Head] = "head",
    };

    private static readonly Dictionary<CausalKind, string> CausalNames = new()
    {
        [CausalKind.None] = "none",
        [CausalKind.Segments] = "segments",
        [CausalKind.MaskMap] = "mask-map",
    };

    private static readonly Dictionary<HeadKind, string> HeadNames = new()
    {
        [HeadKind.Transformed] = "transformed",
        [HeadKind.Linear] = "linear",
    };

    private static void AddVariants(JsonObject fields, LinformerConfig config)
    {
        var plain = new LinformerConfig { VocabularySize = 1 };
        Add("projection", ProjectionNames[config.Projection], config.Projection != plain.Projection);
        Add("train_projection", config.TrainProjection, !config.TrainProjection);
        Add("projection_bias", config.ProjectionBias, config.ProjectionBias);
        Add("projected_lengths", List(config.ProjectedLengths), config.ProjectedLengths is not null);
        Add("num_key_value_heads", config.KeyValueHeads, config.KeyValueHeads != config.Heads);
        Add("head_dim", config.HeadSize, config.HeadSize * config.Heads != config.Hidden);
        Add("share_key_value", config.ShareKeyValue, config.ShareKeyValue);
        Add("attention_bias", config.AttentionBias, !config.AttentionBias);
        Add("embedding_size", config.Embedding, config.Embedding != config.Hidden);
        Add("positions", PositionNames[config.Positions], config.Positions != plain.Positions);
        Add("position_base", config.PositionBase, config.PositionBase != plain.PositionBase);
        Add("hidden_act", ActivationNames[config.Activation], config.Activation != plain.Activation);
        Add("gated", config.Gated, config.Gated);
        Add("intermediate_sizes", List(config.FeedForwards), config.FeedForwards is not null);
        Add("feed_forward", config.HasFeedForward, !config.HasFeedForward);
        Add("inner_hidden_size", config.InnerHidden, config.InnerHidden is not null);
        Add("outer_norm", config.OuterNorm, !config.OuterNorm);
        Add("head", HeadNames[config.Head], config.Head != plain.Head);
        Add("attention_probs_dropout_prob", config.AttentionDropout, config.AttentionDropout is not null);
        Add("embedding_dropout_prob", config.EmbeddingDropout, config.EmbeddingDropout is not null);
        Add("activation_dropout_prob", config.FeedForwardDropout, config.FeedForwardDropout != 0);
        Add("projection_dropout_prob", config.ProjectionDropout, config.ProjectionDropout != 0);
        Add("reversible", config.Reversible, config.Reversible);
        Add("checkpointing", CheckpointingNames[config.Checkpointing], config.Checkpointing != Checkpointing.None);
        Add("causal", CausalNames[config.Causal], config.Causal != CausalKind.None);
        Add("segment_length", config.SegmentLength, config.SegmentLength is not null);
        Add("num_decoder_layers", config.DecoderLayers, config.DecoderLayers is not null);
        Add("cross_projected_length", config.CrossProjectedLength, config.CrossProjectedLength is not null);

        void Add(string name, JsonNode? value, bool differs)
        {
            if (differs)
            {
                fields[name] = value;
            }
        }
    }

    private static LinformerConfig WithVariants(LinformerConfig config, ConfigFields fields)
    {
        config = config with
        {
            Projection = fields.OneOf("projection", ProjectionNames, config.Projection),
            TrainProjection = fields.Flag("train_projection", config.TrainProjection),
            ProjectionBias = fields.Flag("projection_bias", config.ProjectionBias),
            ProjectedLengths = fields.List("projected_lengths"),
            ShareKeyValue = fields.Flag("share_key_value", config.ShareKeyValue),
            AttentionBias = fields.Flag("attention_bias", config.AttentionBias),
            Positions = fields.OneOf("positions", PositionNames, config.Positions),
            PositionBase = fields.Number("position_base", config.PositionBase),
            Activation = fields.OneOf("hidden_act", ActivationNames, config.Activation),
            Gated = fields.Flag("gated", config.Gated),
            FeedForwards = fields.List("intermediate_sizes"),
            HasFeedForward = fields.Flag("feed_forward", config.HasFeedForward),
            InnerHidden = fields.WholeOrNull("inner_hidden_size"),
            OuterNorm = fields.Flag("outer_norm", config.OuterNorm),
            Head = fields.OneOf("head", HeadNames, config.Head),
            AttentionDropout = fields.NumberOrNull("attention_probs_dropout_prob"),
            EmbeddingDropout = fields.NumberOrNull("embedding_dropout_prob"),
            FeedForwardDropout = fields.Number("activation_dropout_prob", config.FeedForwardDropout),
            ProjectionDropout = fields.Number("projection_dropout_prob", config.ProjectionDropout),
            Reversible = fields.Flag("reversible", config.Reversible),
            Checkpointing = fields.OneOf("checkpointing", CheckpointingNames, config.Checkpointing),
            Causal = fields.OneOf("causal", CausalNames, config.Causal),
            SegmentLength = fields.WholeOrNull("segment_length"),
            DecoderLayers = fields.WholeOrNull("num_decoder_layers"),
            CrossProjectedLength = fields.WholeOrNull("cross_projected_length"),
        };

        // Given, these no longer follow from others, so what they say anyway is left out.
        if (fields.WholeOrNull("num_key_value_heads") is { } keyValueHeads && keyValueHeads != config.KeyValueHeads)
        {
            config = config with { KeyValueHeads = keyValueHeads };
        }

        if (fields.WholeOrNull("head_dim") is { } headSize && headSize * (long)config.Heads != config.Hidden)
        {
            config = config with { HeadSize = headSize };
        }

        if (fields.WholeOrNull("embedding_size") is { } embedding && embedding != config.Embedding)
        {
            config = config with { Embedding = embedding };
        }

        return config;
    }

    private static JsonArray? List(PerLayer? values) => values is null ? null : [.. values.Select(value => (JsonNode)value)];
}
