using System.Globalization;

namespace Linformer.Bench.Pretraining;

/// <summary>What is trained: the same model and batch for all that are measured.</summary>
public sealed record PretrainingShape
{
    private const double MaskProbability = 0.15;

    // Backward is two products for each of forward.
    private const int ForwardAndBackward = 3;

    /// <summary>Tokens in the vocabulary.</summary>
    public int Vocabulary { get; init; } = 8192;

    /// <summary>Width.</summary>
    public int Hidden { get; init; } = 256;

    /// <summary>Layers.</summary>
    public int Layers { get; init; } = 4;

    /// <summary>Heads.</summary>
    public int Heads { get; init; } = 4;

    /// <summary>Width of the feed-forward layers.</summary>
    public int FeedForward { get; init; } = 1024;

    /// <summary>Length of a sequence, n.</summary>
    public int Length { get; init; } = 512;

    /// <summary>The projected dimension, k.</summary>
    public int Projected { get; init; } = 128;

    /// <summary>Whether attention is full, for comparison; then there is no k.</summary>
    public bool FullAttention { get; init; }

    /// <summary>Dropout.</summary>
    public double Dropout { get; init; }

    /// <summary>Sequences of one rank in a step: one micro-batch.</summary>
    public int Batch { get; init; } = 8;

    /// <summary>The shape of that name, with about as many tokens in a step whatever the length.</summary>
    /// <param name="size">small or base.</param>
    /// <param name="length">n.</param>
    public static PretrainingShape Of(string size, int length)
    {
        var batch = Math.Max(1, 4096 / length);
        return size switch
        {
            "small" => new() { Length = length, Projected = Math.Min(128, length), Batch = batch },
            "base" => new() { Hidden = 768, Layers = 12, Heads = 12, FeedForward = 3072, Vocabulary = 32768, Length = length, Projected = Math.Min(128, length), Batch = batch },
            _ => throw new ArgumentOutOfRangeException(nameof(size), size, "allowed are small and base"),
        };
    }

    /// <summary>
    /// Floating-point operations of a trained token by the usual formula: matrix products only, those of backward twice those of forward,
    /// attention as in the paper's equation 7, the head for predicted tokens only.
    /// </summary>
    public double FlopsPerToken
    {
        get
        {
            double h = Hidden, k = Projected;
            var projections = 8 * h * h;            // Q, K, V and the output
            var attention = FullAttention
                ? 4.0 * Length * h                  // Q·Kᵀ, P·V
                : 8 * k * h;                        // E·K, F·V, Q·(EK)ᵀ, P·(FV)
            var feedForward = 4 * h * FeedForward;
            var head = MaskProbability * ((2 * h * h) + (2 * h * Vocabulary));
            return ForwardAndBackward * ((Layers * (projections + attention + feedForward)) + head);
        }
    }

    /// <summary>Says it in a line.</summary>
    public override string ToString() =>
        $"hidden {Hidden}, {Layers} layers, {Heads} heads, n {Length}, {(FullAttention ? "full attention" : $"k {Projected}")}, vocabulary {Vocabulary:#,0}, {Batch} sequences a rank and step, dropout {Dropout.ToString(CultureInfo.InvariantCulture)}";
}
