using Linformer.Model.Decoding;
using Linformer.Model.Layers;
using TorchSharp;

namespace Linformer.Model.Tests.Decoding;

/// <summary>Small decoders of every kind, in float64, with parameters that are all different and none zero.</summary>
internal static class DecoderVariants
{
    /// <summary>n = 40 in segments of 4 with 3 summaries of one row each: what is older falls out of a sequence of more than 20.</summary>
    public static LinformerConfig Config(
        ProjectionSharing sharing = ProjectionSharing.Layerwise,
        Normalization normalization = Normalization.Pre,
        AttentionKind attention = AttentionKind.Linear,
        CausalKind causal = CausalKind.Segments) => new()
        {
            VocabularySize = 23,
            Layers = 2,
            Heads = 2,
            Hidden = 12,
            FeedForward = 16,
            SequenceLength = 40,
            ProjectedLength = 3,
            SegmentLength = 4,
            CrossProjectedLength = 5,
            DecoderLayers = 2,
            Sharing = sharing,
            Normalization = normalization,
            Attention = attention,
            Causal = causal,
            Dropout = 0.1,
        };

    /// <summary>Three summaries of each segment, all of which stay visible.</summary>
    public static LinformerConfig ManySummaries() => Config(ProjectionSharing.None) with { ProjectedLength = 24, SegmentLength = 10, SequenceLength = 80 };

    public static IEnumerable<LinformerConfig> Exact()
    {
        foreach (var sharing in Enum.GetValues<ProjectionSharing>())
        {
            yield return Config(sharing);
        }

        yield return Config(normalization: Normalization.Post);
        yield return Config(attention: AttentionKind.Full);
        yield return ManySummaries();
        yield return Config() with { SegmentLength = 1 };
        yield return Config() with { SegmentLength = 40 };
    }

    public static CausalLanguageModel Causal(LinformerConfig config, torch.ScalarType type = torch.ScalarType.Float64) =>
        Filled(new CausalLanguageModel(config, new Placement(type)));

    public static SequenceToSequenceModel SequenceToSequence(LinformerConfig config) =>
        Filled(new SequenceToSequenceModel(config, new Placement(torch.ScalarType.Float64)));

    public static T Filled<T>(T model)
        where T : torch.nn.Module
    {
        using var noGrad = torch.no_grad();
        foreach (var (name, parameter) in model.named_parameters())
        {
            var isGain = name.EndsWith("norm.weight", StringComparison.Ordinal);
            var random = CounterRandom.For(7, name);
            var values = Enumerable.Range(0, (int)parameter.numel()).Select(i => (isGain ? 1 : 0) + ((isGain ? 0.2 : 0.5) * random.NormalAt((ulong)i))).ToArray();
            using var drawn = torch.tensor(values, parameter.shape);
            parameter.copy_(drawn);
        }

        model.eval();
        return model;
    }

    public static torch.Tensor Ids(LinformerConfig config, int batch, int length, int seed = 1) =>
        torch.tensor(ModelVariants.Ids(batch * length, config.VocabularySize, seed), [batch, length]);
}
