namespace Linformer.Protocol;

// In a job file each value is written in lower case with hyphens: MaskedLm is masked-lm.

/// <summary>What the model learns.</summary>
public enum JobTask
{
    /// <summary>Fill masked tokens from both sides.</summary>
    MaskedLm,

    /// <summary>Predict the next token.</summary>
    CausalLm,

    /// <summary>One label for a text.</summary>
    Classification,

    /// <summary>A text from a text.</summary>
    SequenceToSequence,
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

/// <summary>Number format of the computation.</summary>
public enum PrecisionKind
{
    /// <summary>32-bit floating point.</summary>
    Fp32,

    /// <summary>bfloat16 with fp32 master weights.</summary>
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
