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

    /// <summary>Folder of a finished model to start from, relative to the storage root. Without it, weights start random.</summary>
    [Field(Format = TextFormat.RelativePath)]
    public string? InitializeFrom { get; init; }

    /// <summary>The text to train on and how it becomes tokens.</summary>
    [Field]
    public required CorpusSection Corpus { get; init; }

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
    /// <summary>Text files (`.txt`, `.jsonl`, either also with `.gz`), relative to the storage root; `*`, `?` and `**` are globs.</summary>
    [Field(MinCount = 1, MaxCount = 10_000, Format = TextFormat.RelativePath)]
    public required IReadOnlyList<string> Files { get; init; }

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

    /// <summary>What shares a projection: nothing, the heads of a block, also its keys and values, or all blocks too.</summary>
    [Field]
    public SharingKind Sharing { get; init; } = SharingKind.Layerwise;

    /// <summary>Linear attention of the Linformer, or full softmax attention to compare with.</summary>
    [Field]
    public AttentionKind Attention { get; init; } = AttentionKind.Linear;

    /// <summary>Layer normalisation before each sub-layer or after it.</summary>
    [Field]
    public NormalizationKind Normalization { get; init; } = NormalizationKind.Pre;

    /// <summary>Share of activations that training drops.</summary>
    [Field(Min = 0, Below = 1)]
    public double Dropout { get; init; } = 0.1;
}

/// <summary>Section `training`: length, batches, optimizer and checkpoints.</summary>
public sealed record TrainingSection
{
    private readonly int? _warmupSteps;

    /// <summary>Optimizer steps in all.</summary>
    [Field(Min = 1, Max = 1_000_000_000, Unit = "steps")]
    public int Steps { get; init; } = 1000;

    /// <summary>Sequences in an optimizer step, over all ranks.</summary>
    [Field(Min = 1, Max = 1_048_576, Unit = "sequences")]
    public int GlobalBatch { get; init; } = 64;

    /// <summary>Sequences in one forward pass of one rank.</summary>
    [Field(Min = 1, Max = 65_536, Unit = "sequences")]
    public int MicroBatch { get; init; } = 8;

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

    /// <summary>Number format of the computation.</summary>
    [Field]
    public PrecisionKind Precision { get; init; } = PrecisionKind.Fp32;

    /// <summary>Seed of initialisation, sample order, masking and dropout.</summary>
    [Field(Min = 0, Max = 9_007_199_254_740_991)]
    public long Seed { get; init; } = 1;

    /// <summary>Steps between two measurements on the held-out text.</summary>
    [Field(Min = 1, Max = 1_000_000_000, Unit = "steps")]
    public int EvaluateEvery { get; init; } = 100;

    /// <summary>Steps between two checkpoints.</summary>
    [Field(Min = 1, Max = 1_000_000_000, Unit = "steps")]
    public int CheckpointEvery { get; init; } = 100;

    /// <summary>Checkpoints to keep; older ones are deleted.</summary>
    [Field(Min = 1, Max = 10_000, Unit = "checkpoints")]
    public int KeepCheckpoints { get; init; } = 3;

    /// <summary>What to do on a loss that is not finite or far above its running mean: stop the job, skip the step, or go back to a checkpoint.</summary>
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
