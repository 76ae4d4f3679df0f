using static TorchSharp.torch;

namespace Linformer.Model.Interchange;

/// <summary>What E and F begin as in a Linformer that is made of a Transformer.</summary>
public enum ProjectionRule
{
    /// <summary>Row i is the mean over positions i·n/k to (i+1)·n/k.</summary>
    MeanPool,

    /// <summary>Row i is the position in the middle of that window.</summary>
    Strided,

    /// <summary>Elements drawn from N(0, 1/k), as in the paper's theorem 2.</summary>
    Random,

    /// <summary>The k directions over positions in which what attention reads varies most, over samples of text: a truncated singular value decomposition.</summary>
    Principal,

    /// <summary>Means at first, then the least squares of what each layer's attention gives instead of the Transformer's, over samples of text.</summary>
    Fit,
}

/// <summary>How a Linformer is made of a Transformer.</summary>
public sealed record WarmStartOptions
{
    /// <summary>k.</summary>
    public required int ProjectedLength { get; init; }

    /// <summary>How E and F are shared.</summary>
    public ProjectionSharing Sharing { get; init; } = ProjectionSharing.Headwise;

    /// <summary>The longest sequence n; null for the Transformer's. Embeddings of positions are interpolated.</summary>
    public int? SequenceLength { get; init; }

    /// <summary>How E and F begin. Means lose least of what was measured; see docs/convert.md.</summary>
    public ProjectionRule Rule { get; init; } = ProjectionRule.MeanPool;

    /// <summary>Token ids [samples, n] of text as the model will see it, for the rules that look at some; null for none.</summary>
    public Tensor? Samples { get; init; }

    /// <summary>Steps of <see cref="ProjectionRule.Fit"/>.</summary>
    public int Steps { get; init; } = 200;

    /// <summary>Sequences in each of them.</summary>
    public int Batch { get; init; } = 8;

    /// <summary>Told of each step: its number from 1, and the squared error over the squared attention outputs, averaged over layers.</summary>
    public Action<int, double>? Progress { get; init; }
}
