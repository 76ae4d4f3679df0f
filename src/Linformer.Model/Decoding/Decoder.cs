using Linformer.Model.Causal;
using Linformer.Model.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

/// <summary>
/// A stack of decoder layers: hidden states of which none depends on a later token (except under <see cref="CausalKind.MaskMap"/>). The token
/// embeddings are whoever's that calls it.
/// </summary>
public sealed class Decoder : nn.Module<Tensor, Tensor?, Tensor?, Tensor?, Tensor>
{
    private readonly LinformerConfig _config;
    private readonly EmbeddingTable _positions;
    private readonly ModuleList<DecoderLayer> _layers;
    private readonly Layers.LayerNorm _norm;
    private readonly bool _hasSource;

    /// <summary>Makes the decoder; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="layers">Layers.</param>
    /// <param name="hasSource">Whether it attends over what an encoder gives.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    /// <exception cref="ArgumentException"><paramref name="config"/> cannot be built.</exception>
    public Decoder(LinformerConfig config, int layers, bool hasSource, Placement placement)
        : base(nameof(Decoder))
    {
        config.Validate();
        RequirePlain(config);
        (_config, _hasSource) = (config, hasSource);
        _positions = new EmbeddingTable(config.SequenceLength, config.Hidden, placement);
        register_module("position", _positions);
        (BlockProjection?, BlockProjection?) shared = (null, null);
        if (CausalProjections.AreShared(config))
        {
            shared.Item1 = CausalProjections.Make(config, CausalProjections.SizeOf(config), "", placement, register_parameter);
            shared.Item2 = hasSource
                ? CausalProjections.Make(config, CausalProjections.CrossSizeOf(config), "cross_", placement, register_parameter)
                : null;
        }

        _layers = new ModuleList<DecoderLayer>([.. Enumerable.Range(0, layers).Select(_ => new DecoderLayer(config, hasSource, shared, placement))]);
        register_module("layers", _layers);
        _norm = new Layers.LayerNorm(config.Hidden, config.NormEpsilon, placement);
        register_module("norm", _norm);
    }

    /// <summary>Runs over whole sequences.</summary>
    /// <param name="embeddings">Embeddings of the tokens, [batch, length, hidden]; length at most n.</param>
    /// <param name="mask">[batch, length], nonzero for a token and 0 for padding; null when nothing is padded.</param>
    /// <param name="source">What an encoder gives, [batch, source, hidden]; null for a decoder without a source.</param>
    /// <param name="sourceMask">[batch, source], nonzero for a token and 0 for padding; null when nothing is padded.</param>
    /// <returns>[batch, length, hidden].</returns>
    /// <exception cref="ArgumentException">A shape does not fit.</exception>
    public override Tensor forward(Tensor embeddings, Tensor? mask, Tensor? source, Tensor? sourceMask)
    {
        CheckShapes(embeddings, position: 0, mask);
        CheckSource(source);
        var x = Embedded(embeddings, position: 0);
        var causal = CausalMask.For(_config, x.shape[1], mask, x.device);
        foreach (var layer in _layers)
        {
            x = layer.call(x, causal, source is null ? null : layer.Remember(source, sourceMask));
        }

        return Finished(x);
    }

    /// <summary>Begins to go token by token.</summary>
    /// <param name="source">What an encoder gives, [batch, source, hidden]; null for a decoder without a source.</param>
    /// <param name="sourceMask">[batch, source], nonzero for a token and 0 for padding; null when nothing is padded.</param>
    /// <returns>What is kept from token to token.</returns>
    public DecodingState Begin(Tensor? source = null, Tensor? sourceMask = null)
    {
        CheckSource(source);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var caches = _layers.Select(layer => layer.NewCache()).ToArray();
        var memories = _layers.Select(layer => source is null ? null : layer.Remember(source, sourceMask)?.Kept()).ToArray();
        return new DecodingState(caches, memories);
    }

    /// <summary>
    /// Goes on by some tokens. A token after the first call costs O(2s + k) under <see cref="CausalKind.Segments"/>; under
    /// <see cref="CausalKind.MaskMap"/>, where a token changes all that came before, it costs all of the sequence.
    /// </summary>
    /// <param name="embeddings">Embeddings of the tokens, [batch, tokens, hidden].</param>
    /// <param name="state">What was kept; the tokens are taken in.</param>
    /// <returns>[batch, tokens, hidden].</returns>
    /// <exception cref="ArgumentException">A shape does not fit, or the sequence would be longer than n.</exception>
    public Tensor Advance(Tensor embeddings, DecodingState state)
    {
        CheckShapes(embeddings, state.Position, mask: null);
        using var noGrad = no_grad();
        var count = embeddings.shape[1];
        Tensor result;
        if (!state.IsIncremental)
        {
            result = Recomputed(embeddings, state);
        }
        else if (state.Position == 0)
        {
            result = Prompted(embeddings, state);
        }
        else
        {
            result = cat([.. Enumerable.Range(0, (int)count).Select(i => Stepped(embeddings.narrow(1, i, 1), state.Position + i, state))], dim: 1);
        }

        state.Position += count;
        return result;
    }

    private Tensor Prompted(Tensor embeddings, DecodingState state)
    {
        var x = Embedded(embeddings, position: 0);
        var causal = CausalMask.For(_config, x.shape[1], mask: null, x.device);
        for (var i = 0; i < _layers.Count; i++)
        {
            x = _layers[i].Begin(x, causal, state.Memories[i], state.Caches[i]!);
        }

        return Finished(x);
    }

    private Tensor Stepped(Tensor embedding, long position, DecodingState state)
    {
        var x = Embedded(embedding, position);
        for (var i = 0; i < _layers.Count; i++)
        {
            x = _layers[i].Step(x, state.Memories[i], state.Caches[i]!);
        }

        return Finished(x);
    }

    private Tensor Recomputed(Tensor embeddings, DecodingState state)
    {
        var x = Embedded(state.Remember(embeddings), position: 0);
        var causal = CausalMask.For(_config, x.shape[1], mask: null, x.device);
        for (var i = 0; i < _layers.Count; i++)
        {
            x = _layers[i].call(x, causal, state.Memories[i]);
        }

        return Finished(x).narrow(1, state.Position, embeddings.shape[1]);
    }

    private Tensor Embedded(Tensor embeddings, long position)
    {
        var x = embeddings + _positions.Weight.narrow(0, position, embeddings.shape[1]); // [batch, length, hidden]
        x = _config.Normalization == Normalization.Post ? _norm.call(x) : x;
        return nn.functional.dropout(x, _config.EffectiveEmbeddingDropout, training);
    }

    private Tensor Finished(Tensor x) => _config.Normalization == Normalization.Pre ? _norm.call(x) : x;

    private static void RequirePlain(LinformerConfig config)
    {
        Require(config.Projection == ProjectionKind.Learned && config.TrainProjection && !config.ProjectionBias, "projections other than learned ones without a bias");
        Require(config.ProjectedLengths is null && config.ProjectionDropout == 0, "projected lengths or dropouts of projections of their own");
        Require(config.KeyValueHeads == config.Heads && config.QueryWidth == config.Hidden && !config.ShareKeyValue && config.AttentionBias, "heads of another shape");
        Require(config.Embedding == config.Hidden && config.Positions == PositionKind.Learned && config.OuterNorm, "other embeddings");
        Require(!config.Gated && config.FeedForwards is null && config.FeedForwardDropout == 0, "feed-forward layers other than two dense layers of one width");
        Require(!config.Reversible && config.Checkpointing == Checkpointing.None, "reversible layers or checkpointing");

        static void Require(bool holds, string what)
        {
            if (!holds)
            {
                throw new ArgumentException($"The decoder cannot be built: it has no {what}.", nameof(config));
            }
        }
    }

    // Checked here because real TorchSharp ends the process on some of the errors that would follow.
    private void CheckShapes(Tensor embeddings, long position, Tensor? mask)
    {
        if (embeddings.dim() != 3 || embeddings.shape[1] < 1 || embeddings.shape[2] != _config.Hidden)
        {
            throw new ArgumentException($"The embeddings have shape [{string.Join(", ", embeddings.shape)}]; it must be [batch, length, {_config.Hidden}] with a length of at least 1.", nameof(embeddings));
        }

        if (position + embeddings.shape[1] > _config.SequenceLength)
        {
            throw new ArgumentException($"The sequence has {position + embeddings.shape[1]} tokens; the model takes at most {_config.SequenceLength}.", nameof(embeddings));
        }

        if (mask is not null && (mask.dim() != 2 || mask.shape[0] != embeddings.shape[0] || mask.shape[1] != embeddings.shape[1]))
        {
            throw new ArgumentException($"The mask has shape [{string.Join(", ", mask.shape)}]; it must be [{embeddings.shape[0]}, {embeddings.shape[1]}].", nameof(mask));
        }
    }

    private void CheckSource(Tensor? source)
    {
        if (source is null == _hasSource)
        {
            throw new ArgumentException(_hasSource ? "The decoder attends over a source, and none was given." : "The decoder attends over no source, and one was given.", nameof(source));
        }
    }
}
