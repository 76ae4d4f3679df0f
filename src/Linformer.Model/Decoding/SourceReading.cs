using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

/// <summary>Sources that an <see cref="ISequenceToSequenceModel"/> has read: it predicts their targets, one sequence for each source.</summary>
public sealed class SourceReading : INextTokenModel, IDisposable
{
    private readonly LinformerConfig _target;
    private readonly Tensor _source;
    private readonly Tensor? _mask;
    private readonly Func<Tensor, Tensor?, DecodingState> _begin;
    private readonly Func<Tensor, DecodingState, Tensor> _next;

    internal SourceReading(
        LinformerConfig target, Tensor source, Tensor? mask, Func<Tensor, Tensor?, DecodingState> begin, Func<Tensor, DecodingState, Tensor> next) =>
        (_target, _source, _mask, _begin, _next) = (target, source, mask, begin, next);

    /// <inheritdoc/>
    public int VocabularySize => _target.VocabularySize;

    /// <inheritdoc/>
    public int MaximumLength => _target.SequenceLength;

    /// <inheritdoc/>
    public Device Device => _source.device;

    /// <inheritdoc/>
    public DecodingState Begin() => _begin(_source, _mask);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A shape or type does not fit, or a sequence would be longer than <see cref="MaximumLength"/>.</exception>
    public Tensor NextLogits(Tensor ids, DecodingState state) => _next(ids, state);

    /// <inheritdoc/>
    public void Dispose()
    {
        _source.Dispose();
        _mask?.Dispose();
    }
}
