using Linformer.Model.Layers;
using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

/// <summary>
/// An encoder that reads a source and an open decoder, each with a shape, embeddings and a vocabulary of its own: LinformerEncDec of
/// tatp22/linformer-pytorch. What it says of a position of the target depends on all of the target (see <see cref="OpenDecoder"/>).
/// </summary>
public sealed class OpenSequenceToSequenceModel : nn.Module<Tensor, Tensor?, Tensor, Tensor?, Tensor>, ISequenceToSequenceModel
{
    private readonly Encoder _encoder;
    private readonly Dense? _sourceDense;
    private readonly OpenDecoder _decoder;

    /// <summary>Makes the model; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="encoder">The encoder's shape.</param>
    /// <param name="decoder">The decoder's shape, of the same n. If it has another width, a dense layer takes there what the encoder gives.</param>
    /// <param name="placement">Element type and device of the parameters; float32 on the CPU by default.</param>
    /// <exception cref="ArgumentException">A shape cannot be built, or the two do not fit together.</exception>
    public OpenSequenceToSequenceModel(LinformerConfig encoder, LinformerConfig decoder, Placement? placement = null)
        : base(nameof(OpenSequenceToSequenceModel))
    {
        Check(encoder, decoder);
        placement ??= Placement.Default;
        _encoder = new Encoder(encoder, placement);
        register_module("encoder", _encoder);
        if (encoder.Hidden != decoder.Hidden)
        {
            _sourceDense = new Dense(encoder.Hidden, decoder.Hidden, placement);
            register_module("source_dense", _sourceDense);
        }

        _decoder = new OpenDecoder(decoder, placement);
        register_module("decoder", _decoder);
    }

    /// <summary>The encoder's shape.</summary>
    public LinformerConfig Config => _encoder.Config;

    /// <summary>The decoder's shape.</summary>
    public LinformerConfig DecoderConfig => _decoder.Config;

    /// <inheritdoc/>
    public int SourceLength => Config.SequenceLength;

    /// <summary>Logits at every position of the target, each of which depends on all of the target.</summary>
    /// <param name="source">Token ids [batch, source], int64; at most n.</param>
    /// <param name="sourceMask">[batch, source], nonzero for a token; null when nothing is padded.</param>
    /// <param name="target">Token ids of the target [batch, target], int64; at most n.</param>
    /// <param name="targetMask">[batch, target], nonzero for a token; null when nothing is padded.</param>
    /// <returns>[batch, target, vocabulary of the decoder].</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public override Tensor forward(Tensor source, Tensor? sourceMask, Tensor target, Tensor? targetMask) =>
        Logits(HiddenStates(source, sourceMask, target, targetMask));

    /// <summary>What the decoder's layers give, before its head.</summary>
    /// <param name="source">Token ids [batch, source], int64; at most n.</param>
    /// <param name="sourceMask">[batch, source], nonzero for a token; null when nothing is padded.</param>
    /// <param name="target">Token ids of the target [batch, target], int64; at most n.</param>
    /// <param name="targetMask">[batch, target], nonzero for a token; null when nothing is padded.</param>
    /// <returns>[batch, target, hidden of the decoder].</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public Tensor HiddenStates(Tensor source, Tensor? sourceMask, Tensor target, Tensor? targetMask) =>
        _decoder.HiddenStates(target, targetMask, Encoded(source, sourceMask), sourceMask);

    /// <summary>The decoder's head.</summary>
    /// <param name="hidden">Hidden states [..., hidden of the decoder].</param>
    /// <returns>[..., vocabulary of the decoder].</returns>
    public Tensor Logits(Tensor hidden) => _decoder.Logits(hidden);

    /// <inheritdoc/>
    public SourceReading Read(Tensor source, Tensor? sourceMask)
    {
        using var noGrad = no_grad();
        var (read, mask) = (Encoded(source, sourceMask).DetachFromDisposeScope(), sourceMask?.clone().DetachFromDisposeScope());
        return new SourceReading(DecoderConfig, read, mask, OpenDecoder.Begin, _decoder.NextLogits);
    }

    /// <summary>Refuses shapes that do not go together.</summary>
    /// <exception cref="ArgumentException">Names what does not fit.</exception>
    internal static void Check(LinformerConfig encoder, LinformerConfig decoder)
    {
        encoder.Validate();
        OpenDecoder.Check(decoder);
        if (encoder.SequenceLength != decoder.SequenceLength)
        {
            throw new ArgumentException(
                $"{nameof(LinformerConfig.SequenceLength)} (n) of the decoder is {decoder.SequenceLength}; it must be that of the encoder, which is {encoder.SequenceLength}.", nameof(decoder));
        }
    }

    // [batch, source, hidden of the decoder].
    private Tensor Encoded(Tensor source, Tensor? mask)
    {
        var read = _encoder.call(source, mask);
        return _sourceDense?.call(read).to_type(read.dtype) ?? read;
    }
}
