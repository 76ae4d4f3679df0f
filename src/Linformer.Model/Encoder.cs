using Linformer.Model.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model;

/// <summary>The encoder of the paper (Wang et al. 2020, section 4): token and position embeddings, then the layers.</summary>
public sealed class Encoder : nn.Module<Tensor, Tensor?, Tensor>
{
    private readonly EmbeddingTable _tokens;
    private readonly EmbeddingTable? _positions;
    private readonly Tensor? _waves;
    private readonly Dense? _embeddingDense;
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
        _tokens = new EmbeddingTable(config.VocabularySize, config.Embedding, placement);
        register_module("token", _tokens);
        if (config.Positions == PositionKind.Learned)
        {
            _positions = new EmbeddingTable(config.SequenceLength, config.Embedding, placement);
            register_module("position", _positions);
        }
        else
        {
            _waves = Sinusoids.Table(config.SequenceLength, config.Embedding, config.PositionBase, placement);
            register_buffer("position_waves", _waves, persistent: false);
        }

        if (config.Embedding != config.Hidden)
        {
            _embeddingDense = new Dense(config.Embedding, config.Hidden, placement);
            register_module("embedding_dense", _embeddingDense);
        }

        var isShared = config.Sharing == ProjectionSharing.Layerwise && config.Projection is not (ProjectionKind.MeanPool or ProjectionKind.MaxPool);
        var shared = isShared ? SequenceProjection.Create(config, 0, this, placement) : null;
        _layers = new ModuleList<EncoderLayer>(Enumerable.Range(0, config.Layers).Select(layer => new EncoderLayer(config, layer, shared, placement)).ToArray());
        register_module("layers", _layers);
        _reversible = config.Reversible ? new ReversibleLayers([.. _layers]) : null;
        if (config.OuterNorm)
        {
            _norm = new Layers.LayerNorm(config.Normalization == Normalization.Pre ? config.Hidden : config.Embedding, config.NormEpsilon, placement);
            register_module("norm", _norm);
        }
    }

    /// <summary>The encoder's shape.</summary>
    public LinformerConfig Config { get; }

    /// <summary>The embeddings of all tokens, [vocabulary, embedding]; the head of a language model is tied to them.</summary>
    public Tensor TokenEmbeddings => _tokens.Weight;

    /// <summary>Encodes a batch.</summary>
    /// <param name="inputIds">Token ids [batch, length], int64; length at most n.</param>
    /// <param name="attentionMask">[batch, length], nonzero for a token and 0 for padding; null when nothing is padded.</param>
    /// <returns>Hidden states [batch, length, hidden].</returns>
    /// <exception cref="ArgumentException">A shape does not fit.</exception>
    public override Tensor forward(Tensor inputIds, Tensor? attentionMask)
    {
        CheckShapes(inputIds, attentionMask);
        var x = Embedded(inputIds);                                     // [batch, length, hidden]
        var mask = attentionMask?.ne(0).to_type(x.dtype).unsqueeze(-1); // [batch, length, 1]
        x = _reversible?.Run(x, mask) ?? Through(x, mask);
        return LastNorm(x);
    }

    /// <summary>What comes after the layers: the norm of a pre-norm encoder, or nothing.</summary>
    /// <param name="x">[..., hidden].</param>
    internal Tensor LastNorm(Tensor x) => Config.Normalization == Normalization.Pre ? Normed(x) : x;

    private Tensor Embedded(Tensor inputIds)
    {
        var x = _tokens.call(inputIds) + (_positions?.Weight ?? _waves!).narrow(0, 0, inputIds.shape[1]); // [batch, length, embedding]
        x = Config.Normalization == Normalization.Post ? Normed(x) : x;
        x = nn.functional.dropout(x, Config.EffectiveEmbeddingDropout, training);
        return _embeddingDense?.call(x).to_type(x.dtype) ?? x;
    }

    private Tensor Through(Tensor x, Tensor? mask)
    {
        foreach (var layer in _layers)
        {
            x = Config.Checkpointing == Checkpointing.Layer ? _recomputed.Run(inputs => layer.call(inputs[0], mask), x) : layer.call(x, mask);
        }

        return x;
    }

    private Tensor Normed(Tensor x) => _norm?.call(x) ?? x;

    /// <summary>Sets who is shown what the attention of each layer computes, from the first layer to the last; null for nobody.</summary>
    internal void Watch(Action<Inspection.AttentionTrace>? watcher)
    {
        foreach (var layer in _layers)
        {
            layer.Watch(watcher);
        }
    }

    internal void CheckShapes(Tensor inputIds, Tensor? attentionMask)
    {
        // Checked here because real TorchSharp ends the process on some of the errors that would follow.
        if (inputIds.dim() != 2 || inputIds.shape[1] < 1 || inputIds.shape[1] > Config.SequenceLength)
        {
            throw new ArgumentException($"input_ids has shape [{string.Join(", ", inputIds.shape)}]; it must be [batch, length] with a length from 1 to {Config.SequenceLength}.", nameof(inputIds));
        }

        if (inputIds.dtype != ScalarType.Int64)
        {
            throw new ArgumentException($"input_ids has elements of type {inputIds.dtype}; they must be Int64.", nameof(inputIds));
        }

        if (attentionMask is not null && !attentionMask.shape.SequenceEqual(inputIds.shape))
        {
            throw new ArgumentException($"attention_mask has shape [{string.Join(", ", attentionMask.shape)}]; it must be that of input_ids, [{string.Join(", ", inputIds.shape)}].", nameof(attentionMask));
        }
    }
}
