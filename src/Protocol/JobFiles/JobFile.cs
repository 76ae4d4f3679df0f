namespace Linformer.Protocol;

// The summaries below are also the text of docs/job-file.md (see JobFileReference), so they are written
// for the author of a job file: plain sentences, no <see/> tags.

/// <summary>What to train, on which text, and how. Every field is set: defaults are resolved when a file is parsed.</summary>
public sealed record JobFile
{
    /// <summary>Name of the job, and of the folder that holds its checkpoints: a DNS label.</summary>
    [Field(Format = TextFormat.Label)]
    public required string Name { get; init; }

    /// <summary>What the model learns.</summary>
    [Field]
    public JobTask Task { get; init; } = JobTask.MaskedLm;

    /// <summary>Folder of a finished model to start from, relative to the storage root. If its `sequenceLength` is another, its projections and positions are resized; `projectedLength` must be the same. A classification head is kept if it has the same classes and pooling, and starts anew otherwise. Without it, weights start random.</summary>
    [Field(Format = TextFormat.RelativePath)]
    public string? InitializeFrom { get; init; }

    /// <summary>The text to train on and how it becomes tokens. A task of your own can do without.</summary>
    [Field]
    public required CorpusSection Corpus { get; init; } = new() { Files = [] };

    /// <summary>Whether there is text that has to become tokens before ranks start.</summary>
    public bool HasCorpus => Corpus.Files.Count > 0;

    /// <summary>The assembly with a task of your own, for `task: plugin`.</summary>
    [Field]
    public PluginSection? Plugin { get; init; }

    /// <summary>The model and what it is to do, for `task: inference`.</summary>
    [Field]
    public InferenceSection? Inference { get; init; }

    /// <summary>Of `task: classification`: how the model reads texts and tells classes or numbers of them.</summary>
    [Field]
    public ClassificationSection? Classification { get; init; }

    /// <summary>The network.</summary>
    [Field]
    public ModelSection Model { get; init; } = new();

    /// <summary>Length, batches, optimizer and checkpoints.</summary>
    [Field]
    public TrainingSection Training { get; init; } = new();

    /// <summary>How many rank processes train the model together.</summary>
    [Field]
    public RanksSection Ranks { get; init; } = new();

    /// <summary>Where a rank computes. `auto` takes a GPU where there is one.</summary>
    [Field]
    public DeviceKind Device { get; init; } = DeviceKind.Auto;

    /// <summary>Order among waiting jobs: a higher number starts first.</summary>
    [Field(Min = -1000, Max = 1000)]
    public int Priority { get; init; }

    /// <summary>
    /// The job as JSON, with all defaults written out, in a fixed order of fields. Parsing it gives the same job.
    /// </summary>
    public string ToJson() => JobFileJson.Write(this);
}

/// <summary>Section `corpus`: the text to train on and how it becomes tokens.</summary>
public sealed record CorpusSection
{
    /// <summary>Text files (`.txt`, `.jsonl`, for `examples` also `.tsv` and `.csv`, each also with `.gz`), relative to the storage root; `*`, `?` and `**` are globs.</summary>
    [Field(MinCount = 1, MaxCount = 10_000, Format = TextFormat.RelativePath)]
    public required IReadOnlyList<string> Files { get; init; }

    /// <summary>Labelled examples instead of text, for `task: classification` and `sequence-to-sequence`: where in the files texts and labels are. Of `sequence-to-sequence`, `text` is the source and `label` the target.</summary>
    [Field]
    public ExamplesSection? Examples { get; init; }

    /// <summary>Files of examples that are kept out of training, to measure the model on, instead of a share; as `files`. A classification refuses a class that only they have, unless `examples.classes` names it.</summary>
    [Field(MinCount = 1, MaxCount = 10_000, Format = TextFormat.RelativePath)]
    public IReadOnlyList<string>? HeldOutFiles { get; init; }

    /// <summary>A line that parts the documents inside a text file; an empty text means a blank line. Without it, each text file is one document.</summary>
    [Field(Format = TextFormat.Line)]
    public string? Separator { get; init; }

    /// <summary>The tokenizer: trained on the corpus (`kind` and `vocabularySize`) or read from a `file`.</summary>
    [Field]
    public TokenizerSection Tokenizer { get; init; } = new();

    /// <summary>Share of the corpus that is kept out of training, to measure the model on.</summary>
    [Field(Above = 0, Max = 0.5)]
    public double HeldOut { get; init; } = 0.01;

    /// <summary>Neighbouring sequences that the shuffle keeps together, so that storage is read in runs.</summary>
    [Field(Min = 1, Max = 65_536, Unit = "sequences")]
    public int ShuffleBlock { get; init; } = 64;
}

/// <summary>Section `corpus.tokenizer`: either trained on the corpus or read from a file.</summary>
public sealed record TokenizerSection
{
    /// <summary>Special tokens that every tokenizer has beside the 256 bytes: start, padding, end, unknown and mask.</summary>
    public const int SpecialTokens = 5;

    private readonly TokenizerKind? _kind;
    private readonly int? _vocabularySize;

    /// <summary>Kind of tokenizer to train. Not together with `file`.</summary>
    [Field(Default = "byte-bpe")]
    public TokenizerKind? Kind
    {
        get => File is null ? _kind ?? TokenizerKind.ByteBpe : null;
        init => _kind = value;
    }

    /// <summary>Tokens to train, with the 256 bytes and the special tokens among them. Not together with `file`.</summary>
    [Field(Default = "8192", Min = 256 + SpecialTokens, Max = 1_000_000, Unit = "tokens")]
    public int? VocabularySize
    {
        get => File is null ? _vocabularySize ?? 8192 : null;
        init => _vocabularySize = value;
    }

    /// <summary>A Hugging Face `tokenizer.json`, relative to the storage root, to use as it is.</summary>
    [Field(Format = TextFormat.RelativePath)]
    public string? File { get; init; }
}

/// <summary>Section `model`: the network. The preset gives every field; each can be overridden.</summary>
public sealed record ModelSection
{
    /// <summary>Where the fields below take their defaults from.</summary>
    [Field(Format = TextFormat.Preset)]
    public string Preset { get; init; } = ModelPresets.Default;

    /// <summary>Encoder blocks.</summary>
    [Field(Default = "preset", Min = 1, Max = 1000)]
    public int Layers { get; init; } = 4;

    /// <summary>Attention heads in a block.</summary>
    [Field(Default = "preset", Min = 1, Max = 1024)]
    public int Heads { get; init; } = 4;

    /// <summary>Width of the model.</summary>
    [Field(Default = "preset", Min = 1, Max = 65_536)]
    public int Hidden { get; init; } = 256;

    /// <summary>Width of the feed-forward layer inside a block.</summary>
    [Field(Default = "preset", Min = 1, Max = 262_144)]
    public int FeedForward { get; init; } = 1024;

    /// <summary>Longest sequence (n): what the model trains on, and the most that it can read.</summary>
    [Field(Default = "preset", Min = 8, Max = 1_048_576, Unit = "tokens")]
    public int SequenceLength { get; init; } = 512;

    /// <summary>Projected dimension (k): the length to which keys and values are projected. Without meaning for full attention.</summary>
    [Field(Default = "preset", Min = 1, Max = 1_048_576)]
    public int ProjectedLength { get; init; } = 128;

    /// <summary>Projected dimension of each block, the first one's first, instead of one for all (Wang et al. 2020, section 4, "Nonuniform projected dimension"). Blocks that share a matrix cannot differ, so it takes a `sharing` other than `layerwise`.</summary>
    [Field(Default = "`projectedLength` for all", MinCount = 1, MaxCount = 1000, Min = 1, Max = 1_048_576)]
    public IReadOnlyList<int>? ProjectedLengths { get; init; }

    /// <summary>By how much the projected dimension of each block is less than that of the one before; it stays at least 1 (`k_reduce_by_layer` of tatp22/linformer-pytorch).</summary>
    [Field(Min = 0, Max = 1_048_576)]
    public int ProjectedLengthStep { get; init; }

    /// <summary>What shares a projection: nothing, the heads of a block, also its keys and values, or all blocks too (Wang et al. 2020, section 4).</summary>
    [Field]
    public SharingKind Sharing { get; init; } = SharingKind.Layerwise;

    /// <summary>What takes keys and values from n to k (Wang et al. 2020, section 4, "General projections"): a learned matrix; a convolution with kernel and stride n/k, as in tatp22/linformer-pytorch; the mean or the maximum of each window of n/k positions, which have no parameters; or a fixed random matrix, drawn from N(0, 1/k) and never trained, as in the paper's proof. With windows, k divides n.</summary>
    [Field]
    public ProjectionKind Projection { get; init; } = ProjectionKind.Learned;

    /// <summary>Whether training changes the projections; `false` leaves them as they begin (`freeze-compress` of fairseq's Linformer), without gradients and optimizer state.</summary>
    [Field]
    public bool TrainProjection { get; init; } = true;

    /// <summary>Whether a learned projection adds a learned number to each of its k rows (tatp22/linformer-pytorch).</summary>
    [Field]
    public bool ProjectionBias { get; init; }

    /// <summary>Linear attention of the Linformer, or full softmax attention to compare with.</summary>
    [Field]
    public AttentionKind Attention { get; init; } = AttentionKind.Linear;

    /// <summary>Heads of keys and values: as many as `heads`, or 1 that all heads of the queries share (Shazeer 2019, `one_kv_head` of lucidrains/linformer).</summary>
    [Field(Default = "`heads`", Min = 1, Max = 1024)]
    public int? KeyValueHeads { get; init; }

    /// <summary>Width of a head (`dim_head` of lucidrains/linformer). With it, `hidden` need not be a multiple of `heads`.</summary>
    [Field(Default = "`hidden` / `heads`", Min = 1, Max = 65_536)]
    public int? HeadSize { get; init; }

    /// <summary>Whether the keys are the values too, so that one dense layer makes both (`share_kv` of lucidrains/linformer).</summary>
    [Field]
    public bool ShareKeyValue { get; init; }

    /// <summary>Whether queries, keys and values have biases, as in RoBERTa; lucidrains/linformer and tatp22/linformer-pytorch have none.</summary>
    [Field]
    public bool AttentionBias { get; init; } = true;

    /// <summary>Width of the embeddings; if it is not `hidden`, a dense layer leads from one to the other (factorised embedding: ALBERT, Lan et al. 2019).</summary>
    [Field(Default = "`hidden`", Min = 1, Max = 65_536)]
    public int? Embedding { get; init; }

    /// <summary>What tells a token's place: a learned vector for each place, as in BERT, or sines and cosines (Vaswani et al. 2017, section 3.5).</summary>
    [Field]
    public PositionsKind Positions { get; init; } = PositionsKind.Learned;

    /// <summary>Base of the wavelengths of sinusoidal positions; tatp22/linformer-pytorch has 100000.</summary>
    [Field(Above = 1, Max = 1e12)]
    public double PositionBase { get; init; } = 10_000;

    /// <summary>Function in the feed-forward layer: GELU, as in BERT, or ReLU, as in the first Transformer.</summary>
    [Field]
    public ActivationKind Activation { get; init; } = ActivationKind.Gelu;

    /// <summary>Whether the feed-forward layer is gated, with a second input matrix: activation(Ax) times Bx (Shazeer 2020, `glu` of lucidrains/linformer).</summary>
    [Field]
    public bool Gated { get; init; }

    /// <summary>Width of the feed-forward layer of each block, the first one's first, instead of one for all.</summary>
    [Field(Default = "`feedForward` for all", MinCount = 1, MaxCount = 1000, Min = 1, Max = 262_144)]
    public IReadOnlyList<int>? FeedForwards { get; init; }

    /// <summary>Layer normalisation before each sub-layer or after it.</summary>
    [Field]
    public NormalizationKind Normalization { get; init; } = NormalizationKind.Pre;

    /// <summary>Whether there is a layer normalisation after the last block (`pre`) or after the embeddings (`post`), as in RoBERTa; lucidrains/linformer and tatp22/linformer-pytorch have none.</summary>
    [Field]
    public bool OuterNorm { get; init; } = true;

    /// <summary>What a masked language model makes logits with: RoBERTa's dense layer, GELU, norm and the matrix of the tokens' embeddings, or one dense layer with a matrix of its own, as in lucidrains/linformer and tatp22/linformer-pytorch, to which only such models can be exported.</summary>
    [Field]
    public HeadKind Head { get; init; } = HeadKind.Transformed;

    /// <summary>Share of activations that training drops: of the output of each sub-layer, and where the fields below do not say otherwise.</summary>
    [Field(Min = 0, Below = 1)]
    public double Dropout { get; init; } = 0.1;

    /// <summary>Dropout of attention weights (RoBERTa's `attention_dropout`).</summary>
    [Field(Default = "`dropout`", Min = 0, Below = 1)]
    public double? AttentionDropout { get; init; }

    /// <summary>Dropout of the sum of the embeddings (`dropout_tokens` of tatp22/linformer-pytorch).</summary>
    [Field(Default = "`dropout`", Min = 0, Below = 1)]
    public double? EmbeddingDropout { get; init; }

    /// <summary>Dropout inside the feed-forward layer, behind its activation (lucidrains/linformer, tatp22/linformer-pytorch, fairseq's `activation_dropout`).</summary>
    [Field(Min = 0, Below = 1)]
    public double FeedForwardDropout { get; init; }

    /// <summary>Dropout of projected keys and values.</summary>
    [Field(Min = 0, Below = 1)]
    public double ProjectionDropout { get; init; }

    /// <summary>Whether blocks are reversible (RevNet, Gomez et al. 2017; `reversible` of lucidrains/linformer): the backward pass computes their inputs anew from their outputs, so that memory does not grow with `layers`.</summary>
    [Field]
    public bool Reversible { get; init; }

    /// <summary>What the backward pass computes anew instead of the forward pass keeping it (Chen et al. 2016): nothing, each block but its input, or each head's attention (C1 and C2 of tatp22/linformer-pytorch). The results are the same; only `head` draws other masks for the dropout of attention weights.</summary>
    [Field]
    public CheckpointingKind Checkpointing { get; init; } = CheckpointingKind.None;

    /// <summary>How the positions of a decoder see nothing that comes later: `segments` is exact attention in a window and over summaries of finished segments, in linear time. `mask-map` is the form of tatp22/linformer-pytorch, through whose projections later tokens leak. Without meaning for full attention.</summary>
    [Field]
    public CausalKind Causal { get; init; } = CausalKind.None;

    /// <summary>Tokens of a segment of causal attention (s). A position sees its own segment and the one before exactly, and k summaries of those before.</summary>
    [Field(Default = "n/8, from 16 to 128, or n/k if that is more", Min = 1, Max = 1_048_576, Unit = "tokens")]
    public int? SegmentLength { get; init; }

    /// <summary>Blocks of the decoder of an encoder–decoder.</summary>
    [Field(Default = "`layers`", Min = 1, Max = 1000)]
    public int? DecoderLayers { get; init; }

    /// <summary>Projected dimension of the decoder's attention to the encoder.</summary>
    [Field(Default = "`projectedLength`", Min = 1, Max = 1_048_576)]
    public int? CrossProjectedLength { get; init; }

    /// <summary>The projected dimension of a block.</summary>
    /// <param name="layer">The block, from 0 on.</param>
    public int ProjectedLengthOf(int layer) =>
        ProjectedLengths is { } list ? list[layer] : (int)Math.Max(1, ProjectedLength - ((long)layer * ProjectedLengthStep));

    /// <summary>The width of a block's feed-forward layer.</summary>
    /// <param name="layer">The block, from 0 on.</param>
    public int FeedForwardOf(int layer) => FeedForwards is { } list ? list[layer] : FeedForward;
}

/// <summary>Section `training`: length, batches, optimizer and checkpoints.</summary>
public sealed record TrainingSection
{
    /// <summary>The most sequences that <see cref="MicroBatch"/> may be.</summary>
    internal const int MostInMicroBatch = 65_536;

    private readonly int? _warmupSteps;

    /// <summary>Optimizer steps in all.</summary>
    [Field(Min = 1, Max = 1_000_000_000, Unit = "steps")]
    public int Steps { get; init; } = 1000;

    /// <summary>Sequences in an optimizer step, over all ranks.</summary>
    [Field(Min = 1, Max = 1_048_576, Unit = "sequences")]
    public int GlobalBatch { get; init; } = 64;

    /// <summary>Sequences in one forward pass of one rank. `auto` is settled when the job is submitted, and stored: as many as make it quick and fit in memory.</summary>
    [Field(Min = 1, Max = MostInMicroBatch, Unit = "sequences", MayBeAuto = true)]
    public int? MicroBatch { get; init; } = 8;

    /// <summary>Micro-batches in a step; while <see cref="MicroBatch"/> is open, the most that there can be.</summary>
    public int MicroBatches => GlobalBatch / (MicroBatch ?? 1);

    /// <summary>Learning rate at the end of the warm-up.</summary>
    [Field(Above = 0, Max = 10)]
    public double LearningRate { get; init; } = 5e-4;

    /// <summary>Steps in which the learning rate grows from 0 in a straight line.</summary>
    [Field(Default = "a tenth of `steps`", Min = 0, Max = 1_000_000_000, Unit = "steps")]
    public int WarmupSteps
    {
        get => _warmupSteps ?? Steps / 10;
        init => _warmupSteps = value;
    }

    /// <summary>How the learning rate goes on after the warm-up: in a straight line to 0, along a cosine to 0, or constant.</summary>
    [Field]
    public ScheduleKind Schedule { get; init; } = ScheduleKind.Linear;

    /// <summary>Decoupled weight decay. Biases and normalisation weights have none.</summary>
    [Field(Min = 0, Max = 1)]
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>Gradients are scaled down to this global norm; 0 leaves them as they are.</summary>
    [Field(Min = 0, Max = 1_000_000)]
    public double ClipNorm { get; init; } = 1.0;

    /// <summary>Settings of AdamW.</summary>
    [Field]
    public OptimizerSection Optimizer { get; init; } = new();

    /// <summary>Share of tokens that masked-lm predicts.</summary>
    [Field(Above = 0, Below = 1)]
    public double MaskProbability { get; init; } = 0.15;

    /// <summary>Number format of matrix products and activations; parameters, optimizer and sums are fp32 in either. `auto` is settled when the job is submitted, and stored: bf16 if every worker that the job may get multiplies bf16 in hardware, else fp32.</summary>
    [Field]
    public PrecisionKind Precision { get; init; } = PrecisionKind.Auto;

    /// <summary>Number format in which gradients travel between ranks: bf16 moves half the bytes, and rounds each gradient and their sum, which is made in fp32. One rank rounds nothing.</summary>
    [Field]
    public WireKind Wire { get; init; } = WireKind.Fp32;

    /// <summary>Steps that each rank takes by itself between two exchanges, for slow links (DiLoCo). With more than 1, the rank's step is over its own part of the global batch, and only whole rounds of so many steps are told, evaluated, written and recovered.</summary>
    [Field(Min = 1, Max = 10_000, Unit = "steps")]
    public int LocalSteps { get; init; } = 1;

    /// <summary>Learning rate of the exchange after `localSteps`: how much of the mean of what ranks have learnt is taken over.</summary>
    [Field(Above = 0, Max = 2)]
    public double OuterLearningRate { get; init; } = 0.7;

    /// <summary>Nesterov momentum of the exchange after `localSteps`.</summary>
    [Field(Min = 0, Below = 1)]
    public double OuterMomentum { get; init; } = 0.9;

    /// <summary>Whether both moments of the optimizer are shared out over the ranks (ZeRO, stage 1), which saves memory from three ranks on. Each part is on two ranks, so that the loss of any one costs no step; if two are lost at once that had a part, the job goes back to its newest checkpoint. The model has the same bits either way, and checkpoints are the same; not together with `localSteps`.</summary>
    [Field]
    public bool ShardOptimizer { get; init; }

    /// <summary>Seed of initialisation, sample order, masking and dropout.</summary>
    [Field(Min = 0, Max = 9_007_199_254_740_991)]
    public long Seed { get; init; } = 1;

    /// <summary>Steps between two measurements on the held-out text.</summary>
    [Field(Min = 1, Max = 1_000_000_000, Unit = "steps")]
    public int EvaluateEvery { get; init; } = 100;

    /// <summary>Steps between two checkpoints.</summary>
    [Field(Min = 1, Max = 1_000_000_000, Unit = "steps")]
    public int CheckpointEvery { get; init; } = 100;

    /// <summary>The finished model is the one that does best by this measure on the held-out part; its checkpoint is kept beside the newest. Without it, the finished model is the last one.</summary>
    [Field]
    public MeasureKind? KeepBest { get; init; }

    /// <summary>Ends the job before its last step when the model gets no better on the held-out part.</summary>
    [Field]
    public EarlyStoppingSection? EarlyStopping { get; init; }

    /// <summary>Checkpoints to keep; older ones are deleted.</summary>
    [Field(Min = 1, Max = 10_000, Unit = "checkpoints")]
    public int KeepCheckpoints { get; init; } = 3;

    /// <summary>What to do on a loss that is not finite or, but for classification, far above its running mean: stop the job, skip the step, or go back to a checkpoint.</summary>
    [Field]
    public BadLossAction OnBadLoss { get; init; } = BadLossAction.Stop;
}

/// <summary>Section `training.optimizer`: settings of AdamW.</summary>
public sealed record OptimizerSection
{
    /// <summary>Decay of the running means of the gradient and of its square.</summary>
    [Field(MinCount = 2, MaxCount = 2, Min = 0, Below = 1)]
    public IReadOnlyList<double> Betas { get; init; } = [0.9, 0.98];

    /// <summary>Added to the root of the second mean before dividing by it.</summary>
    [Field(Above = 0, Max = 1)]
    public double Epsilon { get; init; } = 1e-6;
}

/// <summary>Section `ranks`: how many rank processes train the model together.</summary>
public sealed record RanksSection
{
    private readonly int? _max;

    /// <summary>Fewest ranks to train with; with fewer, the job waits.</summary>
    [Field(Min = 1, Max = 4096, Unit = "ranks")]
    public int Min { get; init; } = 1;

    /// <summary>Most ranks to train with.</summary>
    [Field(Default = "`min`", Min = 1, Max = 4096, Unit = "ranks")]
    public int Max
    {
        get => _max ?? Min;
        init => _max = value;
    }

    /// <summary>Threads with which a rank computes on the CPU.</summary>
    [Field(Min = 1, Max = 1024, Unit = "threads")]
    public int Threads { get; init; } = 1;
}
