using Linformer.Model.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

/// <summary>
/// A decoder of which every position sees the whole target, and all of a source: that of tatp22/linformer-pytorch. It is not causal:
/// nothing masks its attention over the target, and <see cref="CausalKind.MaskMap"/> masks the upper right of the map over the source alone.
/// It is here so that such models can be used; what is to generate text is a <see cref="Decoder"/>.
/// </summary>
public sealed class OpenDecoder : nn.Module<Tensor, Tensor?, Tensor, Tensor?, Tensor>
{
    private readonly Embeddings _embeddings;
    private readonly ModuleList<OpenDecoderLayer> _layers;
    private readonly Layers.LayerNorm? _norm;
    private readonly Parameter _weight;
    private readonly Parameter _bias;
    private readonly Placement _placement;

    /// <summary>Makes the decoder; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">The model's shape; target and source are at most n positions each.</param>
    /// <param name="placement">Element type and device of the parameters; float32 on the CPU by default.</param>
    /// <exception cref="ArgumentException"><paramref name="config"/> cannot be built.</exception>
    public OpenDecoder(LinformerConfig config, Placement? placement = null)
        : base(nameof(OpenDecoder))
    {
        Check(config);
        placement ??= Placement.Default;
        (_placement, Config) = (placement, config);
        _embeddings = new Embeddings(config, this, placement);
        var shared = SequenceProjection.CreateShared(config, this, placement);
        _layers = new ModuleList<OpenDecoderLayer>([.. Enumerable.Range(0, config.Layers).Select(layer => new OpenDecoderLayer(config, layer, shared, placement))]);
        register_module("layers", _layers);
        _norm = Layers.LayerNorm.CreateOuter(config, this, placement);
        _weight = placement.NewParameter(config.VocabularySize, config.Hidden);
        _bias = placement.NewParameter(config.VocabularySize);
        register_parameter("head_weight", _weight);
        register_parameter("head_bias", _bias);
    }

    /// <summary>The decoder's shape.</summary>
    public LinformerConfig Config { get; }

    /// <summary>Where its parameters are.</summary>
    public Device Device => _weight.device;

    /// <summary>Logits at every position of the target, each of which depends on all of the target.</summary>
    /// <param name="ids">Token ids of the target [batch, length], int64; length at most n.</param>
    /// <param name="mask">[batch, length], nonzero for a token and 0 for padding; null when nothing is padded.</param>
    /// <param name="source">What an encoder gives, [batch, source, hidden]; source at most n.</param>
    /// <param name="sourceMask">[batch, source], nonzero for a token and 0 for padding; null when nothing is padded.</param>
    /// <returns>[batch, length, vocabulary].</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public override Tensor forward(Tensor ids, Tensor? mask, Tensor source, Tensor? sourceMask) => Logits(HiddenStates(ids, mask, source, sourceMask));

    /// <summary>What the layers give, before the head.</summary>
    /// <param name="ids">Token ids of the target [batch, length], int64; length at most n.</param>
    /// <param name="mask">[batch, length], nonzero for a token and 0 for padding; null when nothing is padded.</param>
    /// <param name="source">What an encoder gives, [batch, source, hidden]; source at most n.</param>
    /// <param name="sourceMask">[batch, source], nonzero for a token and 0 for padding; null when nothing is padded.</param>
    /// <returns>[batch, length, hidden].</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public Tensor HiddenStates(Tensor ids, Tensor? mask, Tensor source, Tensor? sourceMask)
    {
        _embeddings.Check(ids, "target_ids", mask, "target_mask");
        CheckSource(ids, source, sourceMask);
        var x = _embeddings.Of(ids, _norm, training); // [batch, length, hidden]
        var (own, sources) = (Column(mask, x), Column(sourceMask, x));
        foreach (var layer in _layers)
        {
            x = layer.call(x, own, source, sources);
        }

        return Config.Normalization == Normalization.Pre ? _norm?.call(x) ?? x : x;
    }

    /// <summary>The head: a dense layer.</summary>
    /// <param name="hidden">Hidden states [..., hidden].</param>
    /// <returns>[..., vocabulary].</returns>
    public Tensor Logits(Tensor hidden) =>
        nn.functional.linear(_placement.Operand(hidden), _placement.Operand(_weight), _placement.Operand(_bias)).to_type(hidden.dtype);

    /// <summary>Refuses a shape that no open decoder has.</summary>
    /// <exception cref="ArgumentException">Names what it lacks.</exception>
    internal static void Check(LinformerConfig config)
    {
        config.Validate();
        Require(config.Causal != CausalKind.Segments, "causal attention in segments: its target is open");
        Require(config.InnerHidden is null, "inner width");
        Require(!config.Reversible && config.Checkpointing == Checkpointing.None, "reversible layers or checkpointing");
        Require(config.Head == HeadKind.Linear, "head other than a linear one");

        static void Require(bool holds, string what)
        {
            if (!holds)
            {
                throw new ArgumentException($"The open decoder cannot be built: it has no {what}.", nameof(config));
            }
        }
    }

    /// <summary>Begins to go token by token.</summary>
    internal static DecodingState Begin(Tensor source, Tensor? sourceMask) => new(source, sourceMask);

    /// <summary>Goes on by some tokens: with all so far, each of which they change.</summary>
    internal Tensor NextLogits(Tensor ids, DecodingState state)
    {
        TokenIds.Check(ids, nameof(ids));
        if (state.Position + ids.shape[1] > Config.SequenceLength)
        {
            throw new ArgumentException($"The sequence has {state.Position + ids.shape[1]} tokens; the model takes at most {Config.SequenceLength}.", nameof(ids));
        }

        using var noGrad = no_grad();
        var all = state.Remember(ids);
        state.Position += ids.shape[1];
        return Logits(HiddenStates(all, null, state.Source!, state.SourceMask).select(1, all.shape[1] - 1));
    }

    private static Tensor? Column(Tensor? mask, Tensor x) => mask?.ne(0).to_type(x.dtype).unsqueeze(-1);

    // Checked here because real TorchSharp ends the process on some of the errors that would follow.
    private void CheckSource(Tensor ids, Tensor source, Tensor? mask)
    {
        if (source.dim() != 3 || source.shape[0] != ids.shape[0] || source.shape[1] < 1 || source.shape[1] > Config.SequenceLength || source.shape[2] != Config.Hidden)
        {
            throw new ArgumentException($"The source has shape [{string.Join(", ", source.shape)}]; it must be [{ids.shape[0]}, length, {Config.Hidden}] with a length from 1 to {Config.SequenceLength}.", nameof(source));
        }

        if (source.dtype != _weight.dtype)
        {
            throw new ArgumentException($"The source has elements of type {source.dtype}; they must be {_weight.dtype}.", nameof(source));
        }

        if (mask is not null && (mask.dim() != 2 || mask.shape[0] != source.shape[0] || mask.shape[1] != source.shape[1]))
        {
            throw new ArgumentException($"The source's mask has shape [{string.Join(", ", mask.shape)}]; it must be [{source.shape[0]}, {source.shape[1]}].", nameof(mask));
        }
    }
}
