using static TorchSharp.torch;

namespace Strokes;

/// <summary>Two dense layers with a rectifier in between: pictures to a score for each class.</summary>
internal sealed class StrokeNetwork : nn.Module<Tensor, Tensor>
{
    private readonly TorchSharp.Modules.Linear _first;
    private readonly TorchSharp.Modules.Linear _second;

    public StrokeNetwork(int hidden, Device device)
        : base(nameof(StrokeNetwork))
    {
        _first = nn.Linear(StrokePicture.Pixels, hidden, device: device);
        _second = nn.Linear(hidden, StrokePicture.Classes, device: device);
        register_module("first", _first);
        register_module("second", _second);
    }

    /// <summary>[batch, pixels] to [batch, classes].</summary>
    public override Tensor forward(Tensor input) => _second.call(nn.functional.relu(_first.call(input)));
}
