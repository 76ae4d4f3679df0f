using Linformer.Model.Layers;
using static TorchSharp.torch;

namespace Linformer.Model.Classification;

/// <summary>The encoder with RoBERTa's classification head: dropout, dense, tanh, dropout, dense.</summary>
public sealed class ClassificationModel : nn.Module<Tensor, Tensor?, Tensor>
{
    /// <summary>What the names of the head's parameters begin with.</summary>
    public const string HeadPrefix = "classifier_";

    private readonly Dense _dense;
    private readonly Dense _output;

    /// <summary>Makes the model; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">The encoder's shape.</param>
    /// <param name="head">The head.</param>
    /// <param name="placement">Element type and device of the parameters; float32 on the CPU by default.</param>
    /// <exception cref="ArgumentException"><paramref name="config"/> or <paramref name="head"/> cannot be built.</exception>
    public ClassificationModel(LinformerConfig config, ClassificationHead head, Placement? placement = null)
        : base(nameof(ClassificationModel))
    {
        ArgumentNullException.ThrowIfNull(head);
        head.Validate();
        placement ??= Placement.Default;
        (Config, Head) = (config, head);
        Encoder = new Encoder(config, placement);
        _dense = new Dense(config.Hidden, config.Hidden, placement);
        _output = new Dense(config.Hidden, head.Outputs, placement);
        register_module("encoder", Encoder);
        register_module(HeadPrefix + "dense", _dense);
        register_module(HeadPrefix + "output", _output);
    }

    /// <summary>The encoder's shape.</summary>
    public LinformerConfig Config { get; }

    /// <summary>The classes, and how texts are pooled.</summary>
    public ClassificationHead Head { get; }

    /// <summary>The encoder under the head.</summary>
    public Encoder Encoder { get; }

    /// <summary>Scores of the classes before softmax, or the number.</summary>
    /// <param name="inputIds">Token ids [batch, length], int64; each row begins with <c>&lt;s&gt;</c>.</param>
    /// <param name="attentionMask">[batch, length], nonzero for a token; null when nothing is padded.</param>
    /// <returns>[batch, outputs], of the type of the hidden states.</returns>
    /// <exception cref="ArgumentException">A shape does not fit.</exception>
    public override Tensor forward(Tensor inputIds, Tensor? attentionMask) =>
        Scores(Pool(Encoder.call(inputIds, attentionMask), attentionMask, Head.Pooling));

    /// <summary>The head: the scores of texts of which the encoder's part is done.</summary>
    /// <param name="pooled">What stands for each text, [batch, hidden]; see <see cref="Pool"/>.</param>
    /// <returns>[batch, outputs], of the same type.</returns>
    public Tensor Scores(Tensor pooled)
    {
        var x = _dense.call(Drop(pooled)).to_type(pooled.dtype).tanh();
        return _output.call(Drop(x)).to_type(pooled.dtype);
    }

    /// <summary>What stands for a whole text.</summary>
    /// <param name="hidden">Hidden states [batch, length, hidden].</param>
    /// <param name="attentionMask">[batch, length], nonzero for a token; null when nothing is padded. A row without tokens gives zeros.</param>
    /// <param name="pooling">How.</param>
    /// <returns>[batch, hidden].</returns>
    public static Tensor Pool(Tensor hidden, Tensor? attentionMask, Pooling pooling)
    {
        if (pooling == Pooling.First)
        {
            return hidden.select(1, 0);
        }

        if (attentionMask is null)
        {
            return hidden.mean([1]);
        }

        var keep = attentionMask.ne(0).to_type(hidden.dtype).unsqueeze(-1); // [batch, length, 1]
        return (hidden * keep).sum(1) / keep.sum(1).clamp_min(1);
    }

    private Tensor Drop(Tensor x) => nn.functional.dropout(x, Head.Dropout ?? Config.Dropout, training);
}
