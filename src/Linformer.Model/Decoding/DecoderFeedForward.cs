using Linformer.Model.Layers;
using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

/// <summary>Two dense layers with GELU or ReLU between them, applied at every position.</summary>
internal sealed class DecoderFeedForward : nn.Module<Tensor, Tensor>
{
    private readonly Dense _input;
    private readonly Dense _output;
    private readonly bool _isRelu;

    public DecoderFeedForward(LinformerConfig config, Placement placement)
        : base(nameof(DecoderFeedForward))
    {
        _isRelu = config.Activation == Activation.Relu;
        _input = new Dense(config.Hidden, config.FeedForward, placement);
        _output = new Dense(config.FeedForward, config.Hidden, placement);
        register_module("input", _input);
        register_module("output", _output);
    }

    /// <summary>[batch, length, hidden] to [batch, length, hidden].</summary>
    public override Tensor forward(Tensor input)
    {
        var x = _input.call(input);
        return _output.call(_isRelu ? nn.functional.relu(x) : nn.functional.gelu(x));
    }
}
