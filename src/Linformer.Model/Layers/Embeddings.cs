using System.Diagnostics.CodeAnalysis;
using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>What stands before the layers of an encoder, or of an open decoder: embeddings of tokens and of places. Its parameters are those of the module that it is made for.</summary>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "The module that they are registered with disposes them.")]
internal sealed class Embeddings
{
    private readonly LinformerConfig _config;
    private readonly EmbeddingTable _tokens;
    private readonly EmbeddingTable? _positions;
    private readonly Tensor? _waves;
    private readonly Dense? _dense;

    /// <summary>Makes the parameters; they hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">Shapes, kind of positions, dropout.</param>
    /// <param name="owner">Gets the parameters.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    public Embeddings(LinformerConfig config, nn.Module owner, Placement placement)
    {
        _config = config;
        _tokens = new EmbeddingTable(config.VocabularySize, config.Embedding, placement);
        owner.register_module("token", _tokens);
        if (config.Positions == PositionKind.Learned)
        {
            _positions = new EmbeddingTable(config.SequenceLength, config.Embedding, placement);
            owner.register_module("position", _positions);
        }
        else
        {
            _waves = Sinusoids.Table(config.SequenceLength, config.Embedding, config.PositionBase, placement);
            owner.register_buffer("position_waves", _waves, persistent: false);
        }

        if (config.Embedding != config.Hidden)
        {
            _dense = new Dense(config.Embedding, config.Hidden, placement);
            owner.register_module("embedding_dense", _dense);
        }
    }

    /// <summary>The embeddings of all tokens, [vocabulary, embedding].</summary>
    public Tensor Tokens => _tokens.Weight;

    /// <summary>The sum of the embeddings.</summary>
    /// <param name="ids">[batch, length].</param>
    /// <param name="norm">The norm of a post-norm stack; null for none. That of a pre-norm stack is not used here.</param>
    /// <param name="training">Whether to drop out.</param>
    /// <returns>[batch, length, hidden].</returns>
    public Tensor Of(Tensor ids, LayerNorm? norm, bool training)
    {
        var x = _tokens.call(ids) + (_positions?.Weight ?? _waves!).narrow(0, 0, ids.shape[1]); // [batch, length, embedding]
        x = _config.Normalization == Normalization.Post ? norm?.call(x) ?? x : x;
        x = nn.functional.dropout(x, _config.EffectiveEmbeddingDropout, training);
        return _dense?.call(x).to_type(x.dtype) ?? x;
    }

    /// <summary>Refuses ids and masks of other shapes or types, of which real TorchSharp would end the process on some.</summary>
    /// <exception cref="ArgumentException">Names the tensor, its shape or type, and what is allowed.</exception>
    public void Check(Tensor ids, string name, Tensor? mask, string maskName)
    {
        if (ids.dim() != 2 || ids.shape[1] < 1 || ids.shape[1] > _config.SequenceLength)
        {
            throw new ArgumentException($"{name} has shape [{string.Join(", ", ids.shape)}]; it must be [batch, length] with a length from 1 to {_config.SequenceLength}.", nameof(ids));
        }

        if (ids.dtype != ScalarType.Int64)
        {
            throw new ArgumentException($"{name} has elements of type {ids.dtype}; they must be Int64.", nameof(ids));
        }

        if (mask is not null && !mask.shape.SequenceEqual(ids.shape))
        {
            throw new ArgumentException($"{maskName} has shape [{string.Join(", ", mask.shape)}]; it must be that of {name}, [{string.Join(", ", ids.shape)}].", nameof(mask));
        }
    }
}
