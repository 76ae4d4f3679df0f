namespace Linformer.Model;

/// <summary>How the projections E and F are shared (Wang et al. 2020, section 4, "Parameter sharing between projections").</summary>
public enum ProjectionSharing
{
    /// <summary>Each head of each layer has its own E and F.</summary>
    None,

    /// <summary>Each layer has one E and one F, shared by its heads.</summary>
    Headwise,

    /// <summary>Each layer has one matrix, shared by its heads and by keys and values (E = F).</summary>
    KeyValue,

    /// <summary>One matrix serves all layers, all heads, keys and values.</summary>
    Layerwise,
}

/// <summary>What the attention costs in the length n of a sequence.</summary>
public enum AttentionKind
{
    /// <summary>Linformer's attention over k projected keys and values: O(n·k).</summary>
    Linear,

    /// <summary>Softmax attention over all n keys and values, for comparison: O(n²).</summary>
    Full,
}

/// <summary>Where the layer norms stand.</summary>
public enum Normalization
{
    /// <summary>Before each sub-layer, and once after the last layer.</summary>
    Pre,

    /// <summary>After each residual sum and after the embeddings, as in BERT and RoBERTa.</summary>
    Post,
}

/// <summary>The shape of an encoder. Immutable; <see cref="Validate"/> says whether it can be built.</summary>
public sealed record LinformerConfig
{
    /// <summary>Tokens in the vocabulary.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Encoder layers.</summary>
    public int Layers { get; init; } = 4;

    /// <summary>Attention heads h of each layer; divides <see cref="Hidden"/>.</summary>
    public int Heads { get; init; } = 4;

    /// <summary>Width of the residual stream.</summary>
    public int Hidden { get; init; } = 256;

    /// <summary>Width of the feed-forward layer.</summary>
    public int FeedForward { get; init; } = 1024;

    /// <summary>The longest sequence n, in tokens. Shorter ones use the first columns of E and F.</summary>
    public int SequenceLength { get; init; } = 512;

    /// <summary>The projected dimension k, at most n.</summary>
    public int ProjectedLength { get; init; } = 128;

    /// <summary>How E and F are shared.</summary>
    public ProjectionSharing Sharing { get; init; } = ProjectionSharing.Layerwise;

    /// <summary>Linear attention, or full attention for comparison.</summary>
    public AttentionKind Attention { get; init; } = AttentionKind.Linear;

    /// <summary>Pre- or post-norm.</summary>
    public Normalization Normalization { get; init; } = Normalization.Pre;

    /// <summary>Probability of dropping an element of an embedding, an attention weight or a sub-layer's output.</summary>
    public double Dropout { get; init; } = 0.1;

    /// <summary>Added to the variance in every layer norm.</summary>
    public double NormEpsilon { get; init; } = 1e-5;

    /// <summary>Width of one head, d = hidden / heads.</summary>
    public int HeadSize => Hidden / Heads;

    /// <summary>The elements of the encoder's matrices: nearly all parameters of a model, and never more than they are.</summary>
    public Int128 MatrixElements
    {
        get
        {
            Int128 projection = (Int128)ProjectedLength * SequenceLength;
            var projections = Attention == AttentionKind.Full ? 0 : Sharing switch
            {
                ProjectionSharing.Layerwise => projection,
                ProjectionSharing.KeyValue => projection * Layers,
                ProjectionSharing.Headwise => projection * Layers * 2,
                _ => projection * Layers * 2 * Heads,
            };
            var layer = (4 * (Int128)Hidden * Hidden) + (2 * (Int128)Hidden * FeedForward);
            return (((Int128)VocabularySize + SequenceLength) * Hidden) + (layer * Layers) + projections;
        }
    }

    /// <summary>The preset of that name, for a vocabulary of the given size.</summary>
    /// <param name="name">linformer-tiny, linformer-small, linformer-base (RoBERTa-base's size) or linformer-large.</param>
    /// <param name="vocabularySize">Tokens in the vocabulary.</param>
    /// <exception cref="ArgumentException">There is no preset of that name.</exception>
    public static LinformerConfig Preset(string name, int vocabularySize) => name switch
    {
        "linformer-tiny" => new() { VocabularySize = vocabularySize, Layers = 2, Heads = 4, Hidden = 128, FeedForward = 512, SequenceLength = 128, ProjectedLength = 32 },
        "linformer-small" => new() { VocabularySize = vocabularySize, Layers = 4, Heads = 4, Hidden = 256, FeedForward = 1024, SequenceLength = 512, ProjectedLength = 128 },
        "linformer-base" => new() { VocabularySize = vocabularySize, Layers = 12, Heads = 12, Hidden = 768, FeedForward = 3072, SequenceLength = 512, ProjectedLength = 128 },
        "linformer-large" => new() { VocabularySize = vocabularySize, Layers = 24, Heads = 16, Hidden = 1024, FeedForward = 4096, SequenceLength = 512, ProjectedLength = 128 },
        _ => throw new ArgumentException($"There is no preset '{name}'; there are linformer-tiny, linformer-small, linformer-base and linformer-large.", nameof(name)),
    };

    /// <summary>Checks every field and how they fit together.</summary>
    /// <exception cref="ArgumentException">Names the field, its value and what is allowed.</exception>
    public void Validate()
    {
        RequirePositive(VocabularySize, nameof(VocabularySize));
        RequirePositive(Layers, nameof(Layers));
        RequirePositive(Heads, nameof(Heads));
        RequirePositive(Hidden, nameof(Hidden));
        RequirePositive(FeedForward, nameof(FeedForward));
        RequirePositive(SequenceLength, nameof(SequenceLength));
        RequirePositive(ProjectedLength, nameof(ProjectedLength));
        Require(Hidden % Heads == 0, $"{nameof(Hidden)} is {Hidden}; it must be a multiple of {nameof(Heads)}, which is {Heads}.");
        Require(
            Attention == AttentionKind.Full || ProjectedLength <= SequenceLength,
            $"{nameof(ProjectedLength)} (k) is {ProjectedLength}; it must be at most {nameof(SequenceLength)} (n), which is {SequenceLength}.");
        Require(Dropout is >= 0 and < 1, $"{nameof(Dropout)} is {Dropout}; it must be at least 0 and below 1.");
        Require(NormEpsilon is > 0 and < 1, $"{nameof(NormEpsilon)} is {NormEpsilon}; it must be above 0 and below 1.");
        Require(Enum.IsDefined(Sharing), $"{nameof(Sharing)} is {Sharing}; allowed are none, headwise, key-value and layerwise.");
        Require(Enum.IsDefined(Attention), $"{nameof(Attention)} is {Attention}; allowed are linear and full.");
        Require(Enum.IsDefined(Normalization), $"{nameof(Normalization)} is {Normalization}; allowed are pre and post.");
    }

    private static void RequirePositive(int value, string field) =>
        Require(value > 0, $"{field} is {value}; it must be at least 1.");

    private static void Require(bool holds, string message)
    {
        if (!holds)
        {
            throw new ArgumentException(message);
        }
    }
}
