using Linformer.Model.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model;

/// <summary>The encoder of the paper (Wang et al. 2020, section 4): token and position embeddings, then the layers.</summary>
public sealed class Encoder : nn.Module<Tensor, Tensor?, Tensor>
{
    private readonly EmbeddingTable _tokens;
    private readonly EmbeddingTable _positions;
    private readonly Parameter? _projection;
    private readonly ModuleList<EncoderLayer> _layers;
    private readonly Layers.LayerNorm _norm;
    private readonly LinformerConfig _config;

    /// <summary>Makes the encoder; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="placement">Element type and device of the parameters; float32 on the CPU by default.</param>
    /// <exception cref="ArgumentException"><paramref name="config"/> cannot be built.</exception>
    public Encoder(LinformerConfig config, Placement? placement = null)
        : base(nameof(Encoder))
    {
        config.Validate();
        placement ??= Placement.Default;
        _config = config;
        _tokens = new EmbeddingTable(config.VocabularySize, config.Hidden, placement);
        _positions = new EmbeddingTable(config.SequenceLength, config.Hidden, placement);
        register_module("token", _tokens);
        register_module("position", _positions);

        SequenceProjection? shared = null;
        if (config.Attention == AttentionKind.Linear && config.Sharing == ProjectionSharing.Layerwise)
        {
            _projection = placement.NewParameter(config.ProjectedLength, config.SequenceLength);
            register_parameter("projection", _projection);
            shared = new SequenceProjection(_projection, _projection);
        }

        var layers = Enumerable.Range(0, config.Layers).Select(_ => new EncoderLayer(config, shared, placement));
        _layers = new ModuleList<EncoderLayer>(layers.ToArray());
        register_module("layers", _layers);
        _norm = new Layers.LayerNorm(config.Hidden, config.NormEpsilon, placement);
        register_module("norm", _norm);
    }

    /// <summary>The embeddings of all tokens, [vocabulary, hidden]; the head of a language model is tied to them.</summary>
    public Tensor TokenEmbeddings => _tokens.Weight;

    /// <summary>Encodes a batch.</summary>
    /// <param name="inputIds">Token ids [batch, length], int64; length at most n.</param>
    /// <param name="attentionMask">[batch, length], nonzero for a token and 0 for padding; null when nothing is padded.</param>
    /// <returns>Hidden states [batch, length, hidden].</returns>
    /// <exception cref="ArgumentException">A shape does not fit.</exception>
    public override Tensor forward(Tensor inputIds, Tensor? attentionMask)
    {
        CheckShapes(inputIds, attentionMask);
        var length = inputIds.shape[1];
        var x = _tokens.call(inputIds) + _positions.Weight.narrow(0, 0, length); // [batch, length, hidden]
        var mask = attentionMask?.ne(0).to_type(x.dtype).unsqueeze(-1);          // [batch, length, 1]
        if (_config.Normalization == Normalization.Post)
        {
            x = _norm.call(x);
        }

        x = nn.functional.dropout(x, _config.Dropout, training);
        foreach (var layer in _layers)
        {
            x = layer.call(x, mask);
        }

        return _config.Normalization == Normalization.Pre ? _norm.call(x) : x;
    }

    private void CheckShapes(Tensor inputIds, Tensor? attentionMask)
    {
        // Checked here because real TorchSharp ends the process on some of the errors that would follow.
        if (inputIds.dim() != 2 || inputIds.shape[1] < 1 || inputIds.shape[1] > _config.SequenceLength)
        {
            throw new ArgumentException($"input_ids has shape [{string.Join(", ", inputIds.shape)}]; it must be [batch, length] with a length from 1 to {_config.SequenceLength}.", nameof(inputIds));
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
