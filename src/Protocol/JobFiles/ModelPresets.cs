using System.Diagnostics.CodeAnalysis;

namespace Linformer.Protocol;

/// <summary>The presets of `model.preset`, from a few minutes on a laptop to the size of RoBERTa-large.</summary>
public static class ModelPresets
{
    /// <summary>The preset of a job file that names none.</summary>
    public const string Default = "linformer-small";

    private static readonly ModelSection[] Presets =
    [
        Preset("linformer-tiny", layers: 2, heads: 4, hidden: 128, feedForward: 512, n: 128, k: 32),
        Preset("linformer-small", layers: 4, heads: 4, hidden: 256, feedForward: 1024, n: 512, k: 128),
        Preset("linformer-base", layers: 12, heads: 12, hidden: 768, feedForward: 3072, n: 512, k: 128),
        Preset("linformer-large", layers: 24, heads: 16, hidden: 1024, feedForward: 4096, n: 512, k: 128),
    ];

    /// <summary>All presets, from small to large.</summary>
    public static IReadOnlyList<ModelSection> All => Presets;

    /// <summary>Looks a preset up by its name.</summary>
    /// <param name="name">The name, for example linformer-small.</param>
    /// <param name="preset">The preset's fields.</param>
    /// <returns>Whether there is such a preset.</returns>
    public static bool TryGet(string name, [NotNullWhen(true)] out ModelSection? preset)
    {
        preset = Presets.FirstOrDefault(candidate => candidate.Preset == name);
        return preset is not null;
    }

    private static ModelSection Preset(string name, int layers, int heads, int hidden, int feedForward, int n, int k) => new()
    {
        Preset = name,
        Layers = layers,
        Heads = heads,
        Hidden = hidden,
        FeedForward = feedForward,
        SequenceLength = n,
        ProjectedLength = k,
    };
}
