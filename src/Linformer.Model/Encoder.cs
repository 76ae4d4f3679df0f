using Linformer.Model.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model;

/// <summary>The encoder of the paper (Wang et al. 2020, section 4): token and position embeddings, then the layers.</summary>
public sealed class Encoder : nn.Module<Tensor, Tensor?, Tensor>
{
    private readonly Embeddings _embeddings;
    private readonly ModuleList<EncoderLayer> _layers;
    private readonly ReversibleLayers? _reversible;
    private readonly Recomputed _recomputed = new();
    private readonly Layers.LayerNorm? _norm;

    /// <summary>Makes the encoder; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="placement">Element type and device of the parameters; float32 on the CPU by default.</param>
    /// <exception cref="ArgumentException"><paramref name="config"/> cannot be built.</exception>
    public Encoder(LinformerConfig config, Placement? placement = null)
        : base(nameof(Encoder))
    {
        config.Validate();
        placement ??= Placement.Default;
        Config = config;
        _embeddings = new Embeddings(config, this, placement);
        var shared = SequenceProjection.CreateShared(config, this, placement);
        _layers = new ModuleList<EncoderLayer>(Enumerable.Range(0, config.Layers).Select(layer => new EncoderLayer(config, layer, shared, placement)).ToArray());
        register_module("layers", _layers);
        _reversible = config.Reversible ? new ReversibleLayers([.. _layers]) : null;
        _norm = Layers.LayerNorm.CreateOuter(config, this, placement);
    }

    /// <summary>The encoder's shape.</summary>
    public LinformerConfig Config { get; }

    /// <summary>The embeddings of all tokens, [vocabulary, embedding]; the head of a language model is tied to them.</summary>
    public Tensor TokenEmbeddings => _embeddings.Tokens;

    /// <summary>Encodes a batch.</summary>
    /// <param name="inputIds">Token ids [batch, length], int64; length at most n.</param>
    /// <param name="attentionMask">[batch, length], nonzero for a token and 0 for padding; null when nothing is padded.</param>
    /// <returns>Hidden states [batch, length, hidden].</returns>
    /// <exception cref="ArgumentException">A shape does not fit.</exception>
    public override Tensor forward(Tensor inputIds, Tensor? attentionMask)
    {
        CheckShapes(inputIds, attentionMask);
        var x = _embeddings.Of(inputIds, _norm, training);              // [batch, length, hidden]
        var mask = attentionMask?.ne(0).to_type(x.dtype).unsqueeze(-1); // [batch, length, 1]
        x = _reversible?.Run(x, mask) ?? Through(x, mask);
        return LastNorm(x);
    }

    /// <summary>What comes after the layers: the norm of a pre-norm encoder, or nothing.</summary>
    /// <param name="x">[..., hidden].</param>
    internal Tensor LastNorm(Tensor x) => Config.Normalization == Normalization.Pre ? _norm?.call(x) ?? x : x;

    private Tensor Through(Tensor x, Tensor? mask)
    {
        foreach (var layer in _layers)
        {
            x = Config.Checkpointing == Checkpointing.Layer ? _recomputed.Run(inputs => layer.call(inputs[0], mask), x) : layer.call(x, mask);
        }

        return x;
    }

    /// <summary>Sets who is shown what the attention of each layer computes, from the first layer to the last; null for nobody.</summary>
    internal void Watch(Action<Inspection.AttentionTrace>? watcher)
    {
        foreach (var layer in _layers)
        {
            layer.Watch(watcher);
        }
    }

    internal void CheckShapes(Tensor inputIds, Tensor? attentionMask) => _embeddings.Check(inputIds, "input_ids", attentionMask, "attention_mask");
}
