namespace Linformer.Protocol;

// In a job file each value is written in lower case with hyphens: MaskedLm is masked-lm.

/// <summary>What the model learns.</summary>
public enum JobTask
{
    /// <summary>Fill masked tokens from both sides.</summary>
    MaskedLm,

    /// <summary>Predict the next token.</summary>
    CausalLm,

    /// <summary>One label, or one number, for a text.</summary>
    Classification,

    /// <summary>A text from a text.</summary>
    SequenceToSequence,

    /// <summary>What an assembly of the user's says.</summary>
    Plugin,

    /// <summary>Nothing: a finished model is applied to a corpus.</summary>
    Inference,
}

/// <summary>What is wanted of each document.</summary>
public enum InferenceKind
{
    /// <summary>A vector.</summary>
    Embed,

    /// <summary>A class with its scores, or a number.</summary>
    Classify,
}

/// <summary>What a task needs of a job file.</summary>
public static class JobTasks
{
    /// <summary>Whether the job file must have a section <c>corpus</c>; other tasks take it if it is there.</summary>
    /// <param name="task">The task.</param>
    public static bool NeedsCorpus(this JobTask task) => task is not JobTask.Plugin;
}

/// <summary>Kinds of tokenizer that can be trained.</summary>
public enum TokenizerKind
{
    /// <summary>Byte-pair encoding over bytes, as GPT-2 and RoBERTa have it.</summary>
    ByteBpe,
}

/// <summary>Which projections E and F are one and the same (Wang et al. 2020, section 4).</summary>
public enum SharingKind
{
    /// <summary>Each head of each layer has its own E and F.</summary>
    None,

    /// <summary>One E and one F for the heads of a layer.</summary>
    Headwise,

    /// <summary>E = F, one for the heads of a layer.</summary>
    KeyValue,

    /// <summary>E = F, one for all layers.</summary>
    Layerwise,
}

/// <summary>Kind of attention.</summary>
public enum AttentionKind
{
    /// <summary>Keys and values projected to k rows: linear in the sequence length.</summary>
    Linear,

    /// <summary>Softmax attention over all positions.</summary>
    Full,
}

/// <summary>What takes keys and values from n to k.</summary>
public enum ProjectionKind
{
    /// <summary>A learned matrix.</summary>
    Learned,

    /// <summary>A convolution with kernel and stride n/k.</summary>
    Convolution,

    /// <summary>The mean of each window of n/k positions.</summary>
    MeanPool,

    /// <summary>The maximum of each window of n/k positions.</summary>
    MaxPool,

    /// <summary>A random matrix that is never trained.</summary>
    Fixed,
}

/// <summary>What tells a token's place.</summary>
public enum PositionsKind
{
    /// <summary>A learned vector for each place.</summary>
    Learned,

    /// <summary>Sines and cosines.</summary>
    Sinusoidal,
}

/// <summary>What makes logits of hidden states.</summary>
public enum HeadKind
{
    /// <summary>A dense layer, GELU and a norm, then the matrix of the tokens' embeddings.</summary>
    Transformed,

    /// <summary>A matrix of its own.</summary>
    Linear,
}

/// <summary>The function in a feed-forward layer.</summary>
public enum ActivationKind
{
    /// <summary>The exact GELU.</summary>
    Gelu,

    /// <summary>max(x, 0).</summary>
    Relu,
}

/// <summary>What the backward pass computes anew.</summary>
public enum CheckpointingKind
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Each block but its input.</summary>
    Layer,

    /// <summary>Each head's attention.</summary>
    Head,
}

/// <summary>How positions see nothing that comes later.</summary>
public enum CausalKind
{
    /// <summary>They see all.</summary>
    None,

    /// <summary>A window, and summaries of finished segments.</summary>
    Segments,

    /// <summary>The upper right of the n·k map is masked.</summary>
    MaskMap,
}

/// <summary>Where a block normalises.</summary>
public enum NormalizationKind
{
    /// <summary>Before each sub-layer, and once at the end.</summary>
    Pre,

    /// <summary>After each residual sum, as in the original transformer.</summary>
    Post,
}

/// <summary>Learning rate after the warm-up.</summary>
public enum ScheduleKind
{
    /// <summary>In a straight line to 0.</summary>
    Linear,

    /// <summary>Along half a cosine to 0.</summary>
    Cosine,

    /// <summary>As it is.</summary>
    Constant,
}

/// <summary>Number format of matrix products and activations.</summary>
public enum PrecisionKind
{
    /// <summary>What suits the machines, settled at submission.</summary>
    Auto,

    /// <summary>32-bit floating point.</summary>
    Fp32,

    /// <summary>bfloat16 with fp32 master weights.</summary>
    Bf16,
}

/// <summary>Number format in which gradients travel between ranks.</summary>
public enum WireKind
{
    /// <summary>32-bit floating point.</summary>
    Fp32,

    /// <summary>bfloat16.</summary>
    Bf16,
}

/// <summary>What to do on a bad loss.</summary>
public enum BadLossAction
{
    /// <summary>Stop the job.</summary>
    Stop,

    /// <summary>Leave the step out.</summary>
    Skip,

    /// <summary>Go back to a checkpoint and leave the step out.</summary>
    Back,
}

/// <summary>Where a rank computes.</summary>
public enum DeviceKind
{
    /// <summary>A GPU where there is one, else the CPU.</summary>
    Auto,

    /// <summary>The CPU.</summary>
    Cpu,

    /// <summary>A CUDA device.</summary>
    Cuda,
}
