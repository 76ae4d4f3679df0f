using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

/// <summary>A model that writes targets of sources.</summary>
public interface ISequenceToSequenceModel
{
    /// <summary>The longest source, in tokens.</summary>
    int SourceLength { get; }

    /// <summary>Reads a source, from which targets are then generated. Not for gradients.</summary>
    /// <param name="source">Token ids [batch, source], int64; at most <see cref="SourceLength"/>.</param>
    /// <param name="sourceMask">[batch, source], nonzero for a token; null when nothing is padded.</param>
    /// <returns>What predicts the tokens of the targets, for as many sequences; it belongs to the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    SourceReading Read(Tensor source, Tensor? sourceMask);
}
