using Linformer.Model.Layers;
using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

/// <summary>A decoder that predicts each token from those before it; its output matrix is the token embeddings.</summary>
public sealed class CausalLanguageModel : nn.Module<Tensor, Tensor?, Tensor>, INextTokenModel
{
    private readonly EmbeddingTable _tokens;
    private readonly Decoder _decoder;
    private readonly Placement _placement;

    /// <summary>Makes the model; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="placement">Element type and device of the parameters; float32 on the CPU by default.</param>
    /// <exception cref="ArgumentException"><paramref name="config"/> cannot be built.</exception>
    public CausalLanguageModel(LinformerConfig config, Placement? placement = null)
        : base(nameof(CausalLanguageModel))
    {
        config.Validate();
        placement ??= Placement.Default;
        (_placement, Config) = (placement, config);
        _tokens = new EmbeddingTable(config.VocabularySize, config.Hidden, placement);
        _decoder = new Decoder(config, config.Layers, hasSource: false, placement);
        register_module("token", _tokens);
        register_module("decoder", _decoder);
    }

    /// <summary>The model's shape.</summary>
    public LinformerConfig Config { get; }

    /// <summary>The embeddings of all tokens, [vocabulary, hidden].</summary>
    public Tensor TokenEmbeddings => _tokens.Weight;

    /// <inheritdoc/>
    public int VocabularySize => Config.VocabularySize;

    /// <inheritdoc/>
    public int MaximumLength => Config.SequenceLength;

    /// <inheritdoc/>
    public Device Device => _tokens.Weight.device;

    /// <summary>Logits of the token after each position.</summary>
    /// <param name="inputIds">Token ids [batch, length], int64; length at most n.</param>
    /// <param name="attentionMask">[batch, length], nonzero for a token; null when nothing is padded.</param>
    /// <returns>[batch, length, vocabulary].</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public override Tensor forward(Tensor inputIds, Tensor? attentionMask) => Logits(HiddenStates(inputIds, attentionMask));

    /// <summary>Logits of the token after some positions only.</summary>
    /// <param name="inputIds">Token ids [batch, length], int64; length at most n.</param>
    /// <param name="attentionMask">[batch, length], nonzero for a token; null when nothing is padded.</param>
    /// <param name="positions">Places in the flattened batch, [predicted], int64, from 0 to batch·length - 1.</param>
    /// <returns>[predicted, vocabulary].</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public Tensor LogitsAt(Tensor inputIds, Tensor? attentionMask, Tensor positions) =>
        Logits(HiddenStates(inputIds, attentionMask).view(-1, Config.Hidden).index_select(0, positions));

    /// <summary>What the decoder gives, before the product with the token embeddings.</summary>
    /// <param name="inputIds">Token ids [batch, length], int64; length at most n.</param>
    /// <param name="attentionMask">[batch, length], nonzero for a token; null when nothing is padded.</param>
    /// <returns>[batch, length, hidden].</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public Tensor HiddenStates(Tensor inputIds, Tensor? attentionMask)
    {
        TokenIds.Check(inputIds, nameof(inputIds));
        return _decoder.call(_tokens.call(inputIds), attentionMask, null, null);
    }

    /// <summary>The head: logits of the tokens after positions whose hidden states are there.</summary>
    /// <param name="hidden">[..., hidden]; see <see cref="HiddenStates"/>.</param>
    /// <returns>[..., vocabulary].</returns>
    public Tensor Logits(Tensor hidden) => _placement.TiedLogits(hidden, _tokens.Weight);

    /// <inheritdoc/>
    public DecodingState Begin() => _decoder.Begin();

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A shape or type does not fit, or a sequence would be longer than <see cref="MaximumLength"/>.</exception>
    public Tensor NextLogits(Tensor ids, DecodingState state)
    {
        TokenIds.Check(ids, nameof(ids));
        using var noGrad = no_grad();
        var hidden = _decoder.Advance(_tokens.call(ids), state);
        return Logits(hidden.select(1, hidden.shape[1] - 1));
    }
}
