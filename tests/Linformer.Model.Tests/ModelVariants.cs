using Linformer.Model.Layers;
using TorchSharp;

namespace Linformer.Model.Tests;

/// <summary>Small models of every kind, with parameters that are all different and none zero.</summary>
internal static class ModelVariants
{
    public static LinformerConfig Config(
        ProjectionSharing sharing = ProjectionSharing.Layerwise,
        Normalization normalization = Normalization.Pre,
        AttentionKind attention = AttentionKind.Linear) => new()
        {
            VocabularySize = 37,
            Layers = 2,
            Heads = 3,
            Hidden = 24,
            FeedForward = 40,
            SequenceLength = 16,
            ProjectedLength = 5,
            Sharing = sharing,
            Normalization = normalization,
            Attention = attention,
            Dropout = 0.1,
        };

    /// <summary>What differs from the plain model in something else than projection, sharing, norms and full attention.</summary>
    public static IReadOnlyDictionary<string, LinformerConfig> Others { get; } = new Dictionary<string, LinformerConfig>
    {
        ["one key/value head"] = Config() with { KeyValueHeads = 1 },
        ["one key/value head, full"] = Config(attention: AttentionKind.Full) with { KeyValueHeads = 1 },
        ["wide heads"] = Config(ProjectionSharing.KeyValue) with { HeadSize = 11 },
        ["keys as values"] = Config(ProjectionSharing.Headwise) with { ShareKeyValue = true },
        ["keys as values, one projection"] = Config(ProjectionSharing.KeyValue) with { ShareKeyValue = true, KeyValueHeads = 1, HeadSize = 10 },
        ["keys as values, full"] = Config(attention: AttentionKind.Full) with { ShareKeyValue = true },
        ["keys as values, pooled"] = Config() with { ShareKeyValue = true, Projection = ProjectionKind.MaxPool, ProjectedLength = 8 },
        ["no attention bias"] = Config() with { AttentionBias = false },
        ["narrow embedding"] = Config() with { Embedding = 10 },
        ["narrow embedding, post"] = Config(normalization: Normalization.Post) with { Embedding = 10 },
        ["waves"] = Config() with { Positions = PositionKind.Sinusoidal, PositionBase = 100_000 },
        ["waves, narrow embedding"] = Config() with { Positions = PositionKind.Sinusoidal, Embedding = 6 },
        ["relu"] = Config() with { Activation = Activation.Relu },
        ["gated"] = Config() with { Gated = true },
        ["gated relu, widths by layer"] = Config() with { Gated = true, Activation = Activation.Relu, FeedForwards = [9, 31] },
        ["no outer norm"] = Config() with { OuterNorm = false },
        ["no outer norm, post"] = Config(normalization: Normalization.Post) with { OuterNorm = false },
        ["not trained"] = Config(ProjectionSharing.None) with { TrainProjection = false },
        ["not trained, convolution"] = Config() with { TrainProjection = false, Projection = ProjectionKind.Convolution, ProjectedLength = 4 },
        ["checkpoints of layers"] = Config() with { Checkpointing = Checkpointing.Layer },
        ["checkpoints of heads"] = Config(ProjectionSharing.None) with { Checkpointing = Checkpointing.Head },
        ["checkpoints of heads, pooled"] = Config() with { Checkpointing = Checkpointing.Head, KeyValueHeads = 1, Projection = ProjectionKind.MeanPool, ProjectedLength = 4 },
        ["checkpoints of heads, full"] = Config(attention: AttentionKind.Full) with { Checkpointing = Checkpointing.Head },
        ["reversible"] = Config() with { Reversible = true },
        ["reversible, five layers"] = Config(ProjectionSharing.KeyValue) with { Reversible = true, Layers = 5 },
        ["masked map"] = Config(ProjectionSharing.Headwise) with { Causal = CausalKind.MaskMap },
        ["masked map, full"] = Config(attention: AttentionKind.Full) with { Causal = CausalKind.MaskMap },
        ["masked map, checkpoints of heads"] = Config(ProjectionSharing.None) with { Causal = CausalKind.MaskMap, Checkpointing = Checkpointing.Head },
        ["inner width"] = Config(ProjectionSharing.KeyValue, Normalization.Post) with { InnerHidden = 15, Layers = 3 },
        ["inner width, pre, gated"] = Config() with { InnerHidden = 31, Gated = true, Layers = 3, FeedForwards = [9, 31, 14] },
        ["inner width, full, narrow embedding"] = Config(attention: AttentionKind.Full) with { InnerHidden = 31, Embedding = 10, Checkpointing = Checkpointing.Layer },
        ["no feed-forward"] = Config() with { HasFeedForward = false },
        ["no feed-forward, post"] = Config(normalization: Normalization.Post) with { HasFeedForward = false },
        ["as lucidrains"] = Config(ProjectionSharing.KeyValue) with
        {
            KeyValueHeads = 1,
            HeadSize = 10,
            ShareKeyValue = true,
            AttentionBias = false,
            Reversible = true,
            OuterNorm = false,
            Dropout = 0,
            AttentionDropout = 0.1,
            FeedForwardDropout = 0.1,
        },
        ["as tatp22"] = Config(ProjectionSharing.None, Normalization.Post) with
        {
            Projection = ProjectionKind.Convolution,
            ProjectedLengths = [8, 4],
            AttentionBias = false,
            OuterNorm = false,
            Embedding = 14,
            Positions = PositionKind.Sinusoidal,
            PositionBase = 100_000,
            EmbeddingDropout = 0.2,
            FeedForwardDropout = 0.3,
        },
    };

    public static MaskedLanguageModel Build(LinformerConfig config, torch.ScalarType type = torch.ScalarType.Float32)
    {
        var model = new MaskedLanguageModel(config, new Placement(type));
        using var noGrad = torch.no_grad();
        foreach (var (name, parameter) in model.named_parameters())
        {
            var random = CounterRandom.For(7, name);
            var scale = name.EndsWith("norm.weight", StringComparison.Ordinal) ? 0.2 : 0.3;
            var middle = name.EndsWith("norm.weight", StringComparison.Ordinal) ? 1.0 : 0.0;
            var values = new double[parameter.numel()];
            for (var i = 0; i < values.Length; i++)
            {
                values[i] = middle + (scale * random.NormalAt((ulong)i));
            }

            using var drawn = torch.tensor(values, parameter.shape);
            parameter.copy_(drawn);
        }

        model.eval();
        return model;
    }

    public static long[] Ids(int count, int vocabulary, int seed) =>
        [.. Enumerable.Range(0, count).Select(i => (long)CounterRandom.For(seed, "ids").BelowAt((ulong)i, (ulong)vocabulary))];
}
