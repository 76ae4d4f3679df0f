using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>
/// W₂·activation(W₁x) at every position; gated, W₂·(activation(W₁x) ⊙ Vx) (Shazeer 2020, "GLU variants improve Transformer"), where W₁
/// and V stand one above the other in the first dense layer.
/// </summary>
public sealed class FeedForward : nn.Module<Tensor, Tensor>
{
    private readonly Dense _input;
    private readonly Dense _output;
    private readonly Activation _activation;
    private readonly bool _gated;
    private readonly double _dropout;

    /// <summary>Makes the layer; its parameters hold nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="config">Shapes, activation, dropout.</param>
    /// <param name="layer">Which layer it is in, from 0.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    public FeedForward(LinformerConfig config, int layer, Placement placement)
        : base(nameof(FeedForward))
    {
        (_activation, _gated, _dropout) = (config.Activation, config.Gated, config.FeedForwardDropout);
        long width = config.FeedForwardOf(layer);
        _input = new Dense(config.InputWidthOf(layer), _gated ? 2 * width : width, placement);
        _output = new Dense(width, config.OutputWidthOf(layer), placement);
        register_module("input", _input);
        register_module("output", _output);
    }

    /// <summary>[batch, length, width before the layer] to [batch, length, width behind it].</summary>
    public override Tensor forward(Tensor input)
    {
        var x = _input.call(input); // [batch, length, width, or twice that]
        if (_gated)
        {
            var width = x.shape[^1] / 2;
            x = Active(x.narrow(-1, 0, width)) * x.narrow(-1, width, width);
        }
        else
        {
            x = Active(x);
        }

        return _output.call(_dropout > 0 ? nn.functional.dropout(x, _dropout, training) : x);
    }

    private Tensor Active(Tensor x) => _activation == Activation.Relu ? nn.functional.relu(x) : nn.functional.gelu(x);
}
