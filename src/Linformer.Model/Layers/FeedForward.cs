using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>Two dense layers with GELU between them, applied at every position.</summary>
public sealed class FeedForward : nn.Module<Tensor, Tensor>
{
    private readonly Dense _input;
    private readonly Dense _output;

    /// <summary>Makes the layer; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">Shapes.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    public FeedForward(LinformerConfig config, Placement placement)
        : base(nameof(FeedForward))
    {
        _input = new Dense(config.Hidden, config.FeedForward, placement);
        _output = new Dense(config.FeedForward, config.Hidden, placement);
        register_module("input", _input);
        register_module("output", _output);
    }

    /// <summary>[batch, length, hidden] to [batch, length, hidden].</summary>
    public override Tensor forward(Tensor input) => _output.call(nn.functional.gelu(_input.call(input)));
}
