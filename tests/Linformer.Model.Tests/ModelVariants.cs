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
