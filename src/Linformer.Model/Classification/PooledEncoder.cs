using Linformer.Model.Kernels;
using static TorchSharp.torch;

namespace Linformer.Model.Classification;

/// <summary>An encoder that is asked what stands for whole texts and is not trained: by kernels where they have it, else operator by operator.</summary>
/// <remarks>For one thread. The parameters must stay as they are.</remarks>
public sealed class PooledEncoder : IDisposable
{
    private readonly Encoder _encoder;
    private readonly Pooling _pooling;
    private readonly FusedEncoder? _fused;
    private readonly IDisposable? _held;

    /// <summary>Takes an encoder, which stays the caller's.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="pooling">What stands for a text.</param>
    /// <param name="precision">In what kernels compute products; without them it is the encoder's own.</param>
    public PooledEncoder(Encoder encoder, Pooling pooling, Precision precision = Precision.Float32)
    {
        (_encoder, _pooling) = (encoder, pooling);
        WithoutKernels = FusedEncoder.WhyNot(encoder, precision);
        _fused = WithoutKernels is null ? new FusedEncoder(encoder, precision) : null;
        _held = _fused?.HoldWeights();
    }

    /// <summary>Why it is computed operator by operator; null if it is not.</summary>
    public string? WithoutKernels { get; }

    /// <summary>What stands for each text; no gradients are kept.</summary>
    /// <param name="inputIds">Token ids [batch, length], int64; length at most n.</param>
    /// <param name="attentionMask">[batch, length], nonzero for a token; null when nothing is padded.</param>
    /// <returns>[batch, hidden].</returns>
    /// <exception cref="ArgumentException">A shape does not fit.</exception>
    public Tensor Run(Tensor inputIds, Tensor? attentionMask)
    {
        using var noGrad = no_grad();
        return _fused?.Pooled(inputIds, attentionMask, _pooling) ?? ClassificationModel.Pool(_encoder.call(inputIds, attentionMask), attentionMask, _pooling);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _held?.Dispose();
        _fused?.Dispose();
    }
}
