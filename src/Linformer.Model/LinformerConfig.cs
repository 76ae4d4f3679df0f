namespace Linformer.Model;

/// <summary>The shape of an encoder. Immutable, equal by value; <see cref="Validate"/> says whether it can be built.</summary>
public sealed partial record LinformerConfig
{
    private readonly int? _keyValueHeads;
    private readonly int? _headSize;
    private readonly int? _embedding;

    /// <summary>Tokens in the vocabulary.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Encoder layers.</summary>
    public int Layers { get; init; } = 4;

    /// <summary>Attention heads h of each layer; divides <see cref="Hidden"/>, unless <see cref="HeadSize"/> is given.</summary>
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

    /// <summary>Probability of dropping an element of a sub-layer's output, and of an embedding or an attention weight where these have none of their own.</summary>
    public double Dropout { get; init; } = 0.1;

    /// <summary>Added to the variance in every layer norm.</summary>
    public double NormEpsilon { get; init; } = 1e-5;

    /// <summary>What takes keys and values from length n to k.</summary>
    public ProjectionKind Projection { get; init; } = ProjectionKind.Learned;

    /// <summary>Whether training changes the projections; without, E and F stay as they began (fairseq's <c>--freeze-compress</c>).</summary>
    public bool TrainProjection { get; init; } = true;

    /// <summary>Whether learned projections add a number to each of the k rows (tatp22/linformer-pytorch).</summary>
    public bool ProjectionBias { get; init; }

    /// <summary>k of each layer, at most n (Wang et al. 2020, section 4, "Nonuniform projected dimension"); null: <see cref="ProjectedLength"/> for all.</summary>
    public PerLayer? ProjectedLengths { get; init; }

    /// <summary>Heads of keys and values: <see cref="Heads"/>, the default, or 1 for all heads of the queries (Shazeer 2019; lucidrains' <c>one_kv_head</c>).</summary>
    public int KeyValueHeads
    {
        get => _keyValueHeads ?? Heads;
        init => _keyValueHeads = value;
    }

    /// <summary>Width d of a head; by default hidden / heads (lucidrains' <c>dim_head</c>, tatp22's <c>dim_d</c>).</summary>
    public int HeadSize
    {
        get => _headSize ?? (Heads > 0 ? Hidden / Heads : 0);
        init => _headSize = value;
    }

    /// <summary>Whether the keys are the values as well, before they are projected (lucidrains' <c>share_kv</c>).</summary>
    public bool ShareKeyValue { get; init; }

    /// <summary>Whether queries, keys and values have a bias; lucidrains and tatp22 have none.</summary>
    public bool AttentionBias { get; init; } = true;

    /// <summary>Width of the embeddings; by default hidden. With another, a dense layer takes them to hidden (Lan et al. 2019, ALBERT; tatp22's <c>emb_dim</c>).</summary>
    public int Embedding
    {
        get => _embedding ?? Hidden;
        init => _embedding = value;
    }

    /// <summary>What tells a token's place.</summary>
    public PositionKind Positions { get; init; } = PositionKind.Learned;

    /// <summary>The longest wavelength of sinusoidal positions over 2π; tatp22 has 100,000.</summary>
    public double PositionBase { get; init; } = 10_000;

    /// <summary>The function in the feed-forward layer.</summary>
    public Activation Activation { get; init; } = Activation.Gelu;

    /// <summary>Whether the feed-forward layer is gated: activation(W₁x)·(W₂x) between its ends (Shazeer 2020; lucidrains' <c>glu</c>).</summary>
    public bool Gated { get; init; }

    /// <summary>Width of each layer's feed-forward layer; null: <see cref="FeedForward"/> for all.</summary>
    public PerLayer? FeedForwards { get; init; }

    /// <summary>Whether layers have a feed-forward layer behind their attention (tatp22's <c>include_ff</c>).</summary>
    public bool HasFeedForward { get; init; } = true;

    /// <summary>Width of the residual stream between the first and the last feed-forward layer, to which the first takes it and from which the last brings it back; null: hidden (tatp22's <c>ff_intermediate</c>).</summary>
    public int? InnerHidden { get; init; }

    /// <summary>Whether there is a norm after the last layer (pre-norm) or after the embeddings (post-norm); lucidrains and tatp22 have none.</summary>
    public bool OuterNorm { get; init; } = true;

    /// <summary>What a language model makes logits of hidden states with.</summary>
    public HeadKind Head { get; init; } = HeadKind.Transformed;

    /// <summary>Dropout of the attention's weights; null: <see cref="Dropout"/>.</summary>
    public double? AttentionDropout { get; init; }

    /// <summary>Dropout of the sum of the embeddings; null: <see cref="Dropout"/>.</summary>
    public double? EmbeddingDropout { get; init; }

    /// <summary>Dropout behind the activation of the feed-forward layer (lucidrains, tatp22, fairseq's <c>activation-dropout</c>).</summary>
    public double FeedForwardDropout { get; init; }

    /// <summary>Dropout of the elements of projected keys and values.</summary>
    public double ProjectionDropout { get; init; }

    /// <summary>Whether the layers are reversible (Gomez et al. 2017; Kitaev et al. 2020; lucidrains' <c>reversible</c>): memory does not grow with depth.</summary>
    public bool Reversible { get; init; }

    /// <summary>What training computes anew rather than to keep it.</summary>
    public Checkpointing Checkpointing { get; init; } = Checkpointing.None;

    /// <summary>Whether a position is kept from seeing later ones.</summary>
    public CausalKind Causal { get; init; } = CausalKind.None;

    /// <summary>Tokens of a segment, and of the window, of <see cref="CausalKind.Segments"/>.</summary>
    public int? SegmentLength { get; init; }

    /// <summary>Layers of the decoder of an encoder–decoder.</summary>
    public int? DecoderLayers { get; init; }

    /// <summary>The projected length k of a decoder's attention to the encoder; null: <see cref="ProjectedLength"/>.</summary>
    public int? CrossProjectedLength { get; init; }

    /// <summary>Width of queries in all, heads·d; hidden unless <see cref="HeadSize"/> says otherwise.</summary>
    public int QueryWidth => Heads * HeadSize;

    /// <summary>Width of keys, and of values, in all.</summary>
    public int KeyValueWidth => KeyValueHeads * HeadSize;

    /// <summary>Dropout of the attention's weights.</summary>
    internal double EffectiveAttentionDropout => AttentionDropout ?? Dropout;

    /// <summary>Dropout of the embeddings.</summary>
    internal double EffectiveEmbeddingDropout => EmbeddingDropout ?? Dropout;

    /// <summary>The elements of the encoder's matrices: nearly all parameters of a model, and never more than they are.</summary>
    public Int128 MatrixElements
    {
        get
        {
            var projections = Sharing switch
            {
                ProjectionSharing.Layerwise => ProjectionElements(ProjectedLengthOf(0)),
                ProjectionSharing.None => 2 * KeyValueHeads * OverLayers(ProjectedLengths, ProjectedLength, ProjectionElements),
                ProjectionSharing.Headwise => 2 * OverLayers(ProjectedLengths, ProjectedLength, ProjectionElements),
                _ => OverLayers(ProjectedLengths, ProjectedLength, ProjectionElements),
            };
            var places = Positions == PositionKind.Learned ? SequenceLength : 0;
            var factor = Embedding == Hidden ? 0 : (Int128)Embedding * Hidden;
            return (((Int128)VocabularySize + places) * Embedding) + factor + LayerElements + projections;
        }
    }

    /// <summary>Whether the encoder is that of the plain Linformer that kernels know: what files without further fields describe.</summary>
    internal bool HasPlainEncoder =>
        Attention == AttentionKind.Linear && HasPlainProjection && KeyValueHeads == Heads && QueryWidth == Hidden && !ShareKeyValue && AttentionBias
        && Embedding == Hidden && Positions == PositionKind.Learned && OuterNorm && HasPlainFeedForward
        && HasOneDropout && !Reversible && Checkpointing == Checkpointing.None && Causal == CausalKind.None && DecoderLayers is null;

    private bool HasPlainProjection => Projection == ProjectionKind.Learned && TrainProjection && !ProjectionBias && ProjectedLengths is null;

    private bool HasPlainFeedForward => Activation == Activation.Gelu && !Gated && FeedForwards is null && HasFeedForward && InnerHidden is null;

    private bool HasOneDropout => EffectiveAttentionDropout == Dropout && EffectiveEmbeddingDropout == Dropout && FeedForwardDropout == 0 && ProjectionDropout == 0;

    /// <summary>The projected length k of a layer.</summary>
    /// <param name="layer">From 0 on.</param>
    public int ProjectedLengthOf(int layer) => ProjectedLengths?[layer] ?? ProjectedLength;

    /// <summary>The width of a layer's feed-forward layer.</summary>
    /// <param name="layer">From 0 on.</param>
    public int FeedForwardOf(int layer) => FeedForwards?[layer] ?? FeedForward;

    /// <summary>The width of the residual stream before a layer.</summary>
    /// <param name="layer">From 0 on.</param>
    public int InputWidthOf(int layer) => layer == 0 ? Hidden : InnerHidden ?? Hidden;

    /// <summary>The width of the residual stream behind a layer.</summary>
    /// <param name="layer">From 0 on.</param>
    public int OutputWidthOf(int layer) => layer == Layers - 1 ? Hidden : InnerHidden ?? Hidden;

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

    // The first and the last layer may have other widths than those between.
    private Int128 LayerElements => FeedForwards is null && Layers > 2
        ? LayerElementsOf(0, FeedForward) + ((Layers - 2) * LayerElementsOf(1, FeedForward)) + LayerElementsOf(Layers - 1, FeedForward)
        : Enumerable.Range(0, FeedForwards?.Count ?? Layers).Aggregate((Int128)0, (sum, layer) => sum + LayerElementsOf(layer, FeedForwardOf(layer)));

    private Int128 LayerElementsOf(int layer, int width)
    {
        Int128 input = InputWidthOf(layer), output = OutputWidthOf(layer);
        var attention = input * ((2 * (Int128)QueryWidth) + ((ShareKeyValue ? 1 : 2) * (Int128)KeyValueWidth));
        var feedForward = HasFeedForward ? (input * width * (Gated ? 2 : 1)) + (width * output) + (input == output ? 0 : input * output) : 0;
        return attention + feedForward;
    }

    private Int128 OverLayers(PerLayer? list, int single, Func<int, Int128> elements) =>
        list is null ? Layers * elements(single) : list.Aggregate((Int128)0, (sum, value) => sum + elements(value));

    // The blocks of a segment are small, and left out.
    private Int128 ProjectionElements(int k) => Attention == AttentionKind.Full || Causal == CausalKind.Segments ? 0 : Projection switch
    {
        ProjectionKind.Learned or ProjectionKind.Fixed => (Int128)k * SequenceLength,
        ProjectionKind.Convolution => (Int128)HeadSize * HeadSize * (SequenceLength / k),
        _ => 0,
    };
}
