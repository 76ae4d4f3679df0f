using Linformer.Model.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model;

/// <summary>The encoder with RoBERTa's masked-LM head, whose output matrix is the token embeddings.</summary>
public sealed class MaskedLanguageModel : nn.Module<Tensor, Tensor?, Tensor>
{
    private readonly Dense _dense;
    private readonly Layers.LayerNorm _norm;
    private readonly Parameter _bias;

    /// <summary>Makes the model; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="placement">Element type and device of the parameters; float32 on the CPU by default.</param>
    /// <exception cref="ArgumentException"><paramref name="config"/> cannot be built.</exception>
    public MaskedLanguageModel(LinformerConfig config, Placement? placement = null)
        : base(nameof(MaskedLanguageModel))
    {
        placement ??= Placement.Default;
        Config = config;
        Encoder = new Encoder(config, placement);
        _dense = new Dense(config.Hidden, config.Hidden, placement);
        _norm = new Layers.LayerNorm(config.Hidden, config.NormEpsilon, placement);
        _bias = placement.NewParameter(config.VocabularySize);
        register_module("encoder", Encoder);
        register_module("head_dense", _dense);
        register_module("head_norm", _norm);
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

    /// <summary>The head: dense, GELU, norm, then the product with the token embeddings.</summary>
    /// <param name="hidden">Hidden states [..., hidden].</param>
    /// <returns>[..., vocabulary].</returns>
    public Tensor Logits(Tensor hidden)
    {
        var x = _norm.call(nn.functional.gelu(_dense.call(hidden)));
        return nn.functional.linear(x, Encoder.TokenEmbeddings, _bias);
    }
}
