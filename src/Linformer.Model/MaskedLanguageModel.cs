using Linformer.Model.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model;

/// <summary>The encoder with a masked-LM head: RoBERTa's, whose output matrix is the token embeddings, or a dense layer.</summary>
public sealed class MaskedLanguageModel : nn.Module<Tensor, Tensor?, Tensor>
{
    private readonly Dense? _dense;
    private readonly Layers.LayerNorm? _norm;
    private readonly Parameter? _weight;
    private readonly Parameter _bias;
    private readonly Placement _placement;

    /// <summary>Makes the model; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="placement">Element type and device of the parameters; float32 on the CPU by default.</param>
    /// <exception cref="ArgumentException"><paramref name="config"/> cannot be built.</exception>
    public MaskedLanguageModel(LinformerConfig config, Placement? placement = null)
        : base(nameof(MaskedLanguageModel))
    {
        placement ??= Placement.Default;
        _placement = placement;
        Config = config;
        Encoder = new Encoder(config, placement);
        _bias = placement.NewParameter(config.VocabularySize);
        register_module("encoder", Encoder);
        if (config.Head == HeadKind.Linear)
        {
            _weight = placement.NewParameter(config.VocabularySize, config.Hidden);
            register_parameter("head_weight", _weight);
        }
        else
        {
            _dense = new Dense(config.Hidden, config.Embedding, placement);
            _norm = new Layers.LayerNorm(config.Embedding, config.NormEpsilon, placement);
            register_module("head_dense", _dense);
            register_module("head_norm", _norm);
        }

        register_parameter("head_bias", _bias);
    }

    /// <summary>The model's shape.</summary>
    public LinformerConfig Config { get; }

    /// <summary>The encoder under the head.</summary>
    public Encoder Encoder { get; }

    /// <summary>Logits at every position.</summary>
    /// <param name="inputIds">Token ids [batch, length], int64.</param>
    /// <param name="attentionMask">[batch, length], nonzero for a token; null when nothing is padded.</param>
    /// <returns>[batch, length, vocabulary].</returns>
    public override Tensor forward(Tensor inputIds, Tensor? attentionMask) => Logits(Encoder.call(inputIds, attentionMask));

    /// <summary>Logits at the predicted positions only: the rest of the vocabulary-wide product is never computed.</summary>
    /// <param name="inputIds">Token ids [batch, length], int64.</param>
    /// <param name="attentionMask">[batch, length], nonzero for a token; null when nothing is padded.</param>
    /// <param name="positions">Places in the flattened batch, [predicted], int64, from 0 to batch·length - 1.</param>
    /// <returns>[predicted, vocabulary].</returns>
    public Tensor LogitsAt(Tensor inputIds, Tensor? attentionMask, Tensor positions)
    {
        var hidden = Encoder.call(inputIds, attentionMask);                                  // [batch, length, hidden]
        var predicted = hidden.view(-1, Config.Hidden).index_select(0, positions);           // [predicted, hidden]
        return Logits(predicted);
    }

    /// <summary>The head: dense, GELU, norm, then the product with the token embeddings; or one dense layer.</summary>
    /// <param name="hidden">Hidden states [..., hidden].</param>
    /// <returns>[..., vocabulary].</returns>
    public Tensor Logits(Tensor hidden)
    {
        var x = _dense is null ? hidden : _norm!.call(nn.functional.gelu(_dense.call(hidden)).to_type(hidden.dtype));
        var logits = nn.functional.linear(_placement.Operand(x), _placement.Operand(_weight ?? Encoder.TokenEmbeddings), _placement.Operand(_bias));
        return logits.to_type(hidden.dtype);
    }
}
