using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

/// <summary>Sources that a <see cref="SequenceToSequenceModel"/> has read: it predicts their targets, one sequence for each source.</summary>
public sealed class SourceReading : INextTokenModel, IDisposable
{
    private readonly SequenceToSequenceModel _model;
    private readonly Tensor _source;
    private readonly Tensor? _mask;

    internal SourceReading(SequenceToSequenceModel model, Tensor source, Tensor? mask) => (_model, _source, _mask) = (model, source, mask);

    /// <inheritdoc/>
    public int VocabularySize => _model.Config.VocabularySize;

    /// <inheritdoc/>
    public int MaximumLength => _model.Config.SequenceLength;

    /// <inheritdoc/>
    public Device Device => _source.device;

    /// <inheritdoc/>
    public DecodingState Begin() => _model.Begin(_source, _mask);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A shape or type does not fit, or a sequence would be longer than <see cref="MaximumLength"/>.</exception>
    public Tensor NextLogits(Tensor ids, DecodingState state) => _model.NextLogits(ids, state);

    /// <inheritdoc/>
    public void Dispose()
    {
        _source.Dispose();
        _mask?.Dispose();
    }
}
