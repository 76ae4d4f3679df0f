using Linformer.Model.Layers;
using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

/// <summary>
/// An encoder that reads a source and a decoder that writes the target, attending over the source at a projected length of its own. One table
/// of embeddings serves both, and the output.
/// </summary>
public sealed class SequenceToSequenceModel : nn.Module<Tensor, Tensor?, Tensor, Tensor?, Tensor>, ISequenceToSequenceModel
{
    private readonly Encoder _encoder;
    private readonly Decoder _decoder;
    private readonly Placement _placement;

    /// <summary>Makes the model; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">The model's shape; source and target are at most n tokens each.</param>
    /// <param name="placement">Element type and device of the parameters; float32 on the CPU by default.</param>
    /// <exception cref="ArgumentException"><paramref name="config"/> cannot be built.</exception>
    public SequenceToSequenceModel(LinformerConfig config, Placement? placement = null)
        : base(nameof(SequenceToSequenceModel))
    {
        config.Validate();
        placement ??= Placement.Default;
        (_placement, Config) = (placement, config);
        _encoder = new Encoder(config with { Causal = CausalKind.None }, placement);
        _decoder = new Decoder(config, config.DecoderLayers ?? config.Layers, hasSource: true, placement);
        register_module("encoder", _encoder);
        register_module("decoder", _decoder);
    }

    /// <summary>The model's shape.</summary>
    public LinformerConfig Config { get; }

    /// <summary>The embeddings of all tokens, [vocabulary, hidden].</summary>
    public Tensor TokenEmbeddings => _encoder.TokenEmbeddings;

    /// <inheritdoc/>
    public int SourceLength => Config.SequenceLength;

    /// <summary>Logits of the token after each position of the target.</summary>
    /// <param name="source">Token ids [batch, source], int64; at most n.</param>
    /// <param name="sourceMask">[batch, source], nonzero for a token; null when nothing is padded.</param>
    /// <param name="target">Token ids of the target so far [batch, target], int64; at most n.</param>
    /// <param name="targetMask">[batch, target], nonzero for a token; null when nothing is padded.</param>
    /// <returns>[batch, target, vocabulary].</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public override Tensor forward(Tensor source, Tensor? sourceMask, Tensor target, Tensor? targetMask) =>
        Logits(HiddenStates(source, sourceMask, target, targetMask));

    /// <summary>Logits of the token after some positions of the target only.</summary>
    /// <param name="source">Token ids [batch, source], int64; at most n.</param>
    /// <param name="sourceMask">[batch, source], nonzero for a token; null when nothing is padded.</param>
    /// <param name="target">Token ids of the target so far [batch, target], int64; at most n.</param>
    /// <param name="targetMask">[batch, target], nonzero for a token; null when nothing is padded.</param>
    /// <param name="positions">Places in the flattened target, [predicted], int64, from 0 to batch·target - 1.</param>
    /// <returns>[predicted, vocabulary].</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public Tensor LogitsAt(Tensor source, Tensor? sourceMask, Tensor target, Tensor? targetMask, Tensor positions) =>
        Logits(HiddenStates(source, sourceMask, target, targetMask).view(-1, Config.Hidden).index_select(0, positions));

    /// <inheritdoc/>
    public SourceReading Read(Tensor source, Tensor? sourceMask)
    {
        using var noGrad = no_grad();
        var (read, mask) = (_encoder.call(source, sourceMask).DetachFromDisposeScope(), sourceMask?.clone().DetachFromDisposeScope());
        return new SourceReading(Config, read, mask, _decoder.Begin, NextLogits);
    }

    private Tensor NextLogits(Tensor ids, DecodingState state)
    {
        using var noGrad = no_grad();
        var hidden = _decoder.Advance(Embeddings(ids), state);
        return Logits(hidden.select(1, hidden.shape[1] - 1));
    }

    private Tensor HiddenStates(Tensor source, Tensor? sourceMask, Tensor target, Tensor? targetMask)
    {
        var read = _encoder.call(source, sourceMask);
        if (target.dim() != 2 || target.shape[0] != source.shape[0])
        {
            throw new ArgumentException($"target has shape [{string.Join(", ", target.shape)}]; it must be [{source.shape[0]}, length], as there are so many sources.", nameof(target));
        }

        return _decoder.call(Embeddings(target), targetMask, read, sourceMask);
    }

    private Tensor Embeddings(Tensor ids)
    {
        TokenIds.Check(ids, nameof(ids));
        return TokenEmbeddings.index_select(0, ids.reshape(-1)).view(ids.shape[0], ids.shape[1], Config.Hidden);
    }

    private Tensor Logits(Tensor hidden) => _placement.TiedLogits(hidden, TokenEmbeddings);
}
