namespace Linformer.Model;

public sealed partial record LinformerConfig
{
    private bool IsLinear => Attention == AttentionKind.Linear;

    private bool HasWindows => Projection is ProjectionKind.Convolution or ProjectionKind.MeanPool or ProjectionKind.MaxPool;

    private bool HasMatrices => Projection is ProjectionKind.Learned or ProjectionKind.Fixed or ProjectionKind.Convolution;

    /// <summary>Checks every field and how they fit together.</summary>
    /// <exception cref="ArgumentException">Names the field, its value and what is allowed.</exception>
    public void Validate()
    {
        ValidateSizes();
        ValidateChoices();
        ValidateShares();
        ValidatePerLayer();
        ValidateAttention();
    }

    private void ValidateSizes()
    {
        RequirePositive(VocabularySize, nameof(VocabularySize));
        RequirePositive(Layers, nameof(Layers));
        RequirePositive(Heads, nameof(Heads));
        RequirePositive(Hidden, nameof(Hidden));
        RequirePositive(FeedForward, nameof(FeedForward));
        RequirePositive(SequenceLength, nameof(SequenceLength));
        RequirePositive(ProjectedLength, nameof(ProjectedLength));
        Require(_headSize is not null || Hidden % Heads == 0, $"{nameof(Hidden)} is {Hidden}; it must be a multiple of {nameof(Heads)}, which is {Heads}, unless {nameof(HeadSize)} is given.");
        RequirePositive(HeadSize, nameof(HeadSize));
        RequirePositive(Embedding, nameof(Embedding));
        Require((long)Heads * HeadSize <= int.MaxValue, $"{nameof(HeadSize)} is {HeadSize}; times {nameof(Heads)}, which is {Heads}, it must be at most {int.MaxValue}.");
        Require(KeyValueHeads == 1 || KeyValueHeads == Heads, $"{nameof(KeyValueHeads)} is {KeyValueHeads}; it must be 1, or {nameof(Heads)}, which is {Heads}.");
        Require(NormEpsilon is > 0 and < 1, $"{nameof(NormEpsilon)} is {NormEpsilon}; it must be above 0 and below 1.");
        Require(PositionBase is > 1 and <= 1e12, $"{nameof(PositionBase)} is {PositionBase}; it must be above 1 and at most 1e12.");
        Require(
            Positions == PositionKind.Learned || Embedding % 2 == 0,
            $"{nameof(Embedding)}, the width of the embeddings, is {Embedding}; it must be even with sinusoidal positions.");
    }

    private void ValidateChoices()
    {
        Require(Enum.IsDefined(Sharing), $"{nameof(Sharing)} is {Sharing}; allowed are none, headwise, key-value and layerwise.");
        Require(Enum.IsDefined(Attention), $"{nameof(Attention)} is {Attention}; allowed are linear and full.");
        Require(Enum.IsDefined(Normalization), $"{nameof(Normalization)} is {Normalization}; allowed are pre and post.");
        Require(Enum.IsDefined(Projection), $"{nameof(Projection)} is {Projection}; allowed are learned, convolution, mean-pool, max-pool and fixed.");
        Require(Enum.IsDefined(Positions), $"{nameof(Positions)} is {Positions}; allowed are learned and sinusoidal.");
        Require(Enum.IsDefined(Activation), $"{nameof(Activation)} is {Activation}; allowed are gelu and relu.");
        Require(Enum.IsDefined(Checkpointing), $"{nameof(Checkpointing)} is {Checkpointing}; allowed are none, layer and head.");
        Require(Enum.IsDefined(Head), $"{nameof(Head)} is {Head}; allowed are transformed and linear.");
        Require(Enum.IsDefined(Causal), $"{nameof(Causal)} is {Causal}; allowed are none, segments and mask-map.");
    }

    private void ValidateShares()
    {
        RequireShare(Dropout, nameof(Dropout));
        RequireShare(AttentionDropout ?? 0, nameof(AttentionDropout));
        RequireShare(EmbeddingDropout ?? 0, nameof(EmbeddingDropout));
        RequireShare(FeedForwardDropout, nameof(FeedForwardDropout));
        RequireShare(ProjectionDropout, nameof(ProjectionDropout));
    }

    private void ValidatePerLayer()
    {
        RequireOnePerLayer(ProjectedLengths, nameof(ProjectedLengths));
        RequireOnePerLayer(FeedForwards, nameof(FeedForwards));
        if (!IsLinear)
        {
            return;
        }

        for (var layer = 0; layer < (ProjectedLengths?.Count ?? 1); layer++)
        {
            var k = ProjectedLengthOf(layer);
            var name = ProjectedLengths is null ? nameof(ProjectedLength) : $"{nameof(ProjectedLengths)}[{layer}]";
            Require(k <= SequenceLength, $"{name} (k) is {k}; it must be at most {nameof(SequenceLength)} (n), which is {SequenceLength}.");
            Require(
                !HasWindows || SequenceLength % k == 0,
                $"{name} (k) is {k}; with windows of n/k positions it must divide {nameof(SequenceLength)} (n), which is {SequenceLength}.");
            Require(
                Sharing != ProjectionSharing.Layerwise || !HasMatrices || k == ProjectedLengthOf(0),
                $"{name} is {k}, and {nameof(ProjectedLengths)}[0] is {ProjectedLengthOf(0)}; with {nameof(Sharing)} layerwise one projection serves all layers, so they must be the same.");
        }
    }

    private void ValidateAttention()
    {
        Require(!ProjectionBias || Projection == ProjectionKind.Learned, $"{nameof(ProjectionBias)} is true; only a learned projection has one, and {nameof(Projection)} is {Projection}.");
        Require(!Reversible || Normalization == Normalization.Pre, $"{nameof(Reversible)} is true; it takes {nameof(Normalization)} pre, which is {Normalization}.");
        Require(
            !Reversible || Checkpointing == Checkpointing.None,
            $"{nameof(Checkpointing)} is {Checkpointing}; {nameof(Reversible)} layers keep nothing that it could save, so it must be none.");
        RequirePositive(InnerHidden ?? 1, nameof(InnerHidden));
        Require(InnerHidden is null || HasFeedForward, $"{nameof(InnerHidden)} is {InnerHidden}; feed-forward layers lead to it and back, so {nameof(HasFeedForward)} must be true.");
        Require(!Reversible || (InnerHidden is null && HasFeedForward), $"{nameof(Reversible)} is true; it takes feed-forward layers, and the same width everywhere.");
        RequirePositive(SegmentLength ?? 1, nameof(SegmentLength));
        RequirePositive(DecoderLayers ?? 1, nameof(DecoderLayers));
        RequirePositive(CrossProjectedLength ?? 1, nameof(CrossProjectedLength));
    }

    private void RequireOnePerLayer(PerLayer? list, string field)
    {
        Require(list is null || list.Count == Layers, $"{field} has {list?.Count} elements; it must have one for each of the layers, of which there are {Layers}.");
        Require(list?.All(value => value > 0) ?? true, $"{field} is {list}; each element must be at least 1.");
    }

    private static void RequireShare(double value, string field) =>
        Require(value is >= 0 and < 1, $"{field} is {value}; it must be at least 0 and below 1.");

    private static void RequirePositive(int value, string field) => Require(value > 0, $"{field} is {value}; it must be at least 1.");

    private static void Require(bool holds, string message)
    {
        if (!holds)
        {
            throw new ArgumentException(message);
        }
    }
}
