using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>Makes the parameters of projections and registers them with their owner, under the names of docs/model-format.md.</summary>
internal sealed class ProjectionParameters(LinformerConfig config, nn.Module owner, Placement placement)
{
    private readonly bool _trained = config.TrainProjection && config.Projection != ProjectionKind.Fixed;

    private bool OfEachHead => config.Sharing == ProjectionSharing.None;

    private bool KeysAsValues => config.Sharing is ProjectionSharing.KeyValue or ProjectionSharing.Layerwise;

    public MatrixProjection Matrix(int k)
    {
        var name = config.Projection == ProjectionKind.Fixed ? "fixed_projection" : "projection";
        var (key, value) = Pair(name, "", OfEachHead ? [config.KeyValueHeads, k, config.SequenceLength] : [k, config.SequenceLength]);
        (Parameter Key, Parameter Value)? bias = config.ProjectionBias ? Pair(name, "_bias", [OfEachHead ? config.KeyValueHeads * k : k]) : null;
        return new MatrixProjection(key, value, bias?.Key, bias?.Value, config.KeyValueHeads);
    }

    public ConvolutionProjection Convolution(int window, int k)
    {
        long size = config.HeadSize;
        var (key, value) = Pair("convolution", "", OfEachHead ? [config.KeyValueHeads, size, size, window] : [size, size, window]);
        var (keyBias, valueBias) = Pair("convolution", "_bias", [OfEachHead ? config.KeyValueHeads * size : size]);
        return new ConvolutionProjection(new(key, keyBias), new(value, valueBias), config.KeyValueHeads, k);
    }

    // One parameter when E = F. Biases have one dimension, so that weight decay leaves them alone.
    private (Parameter Key, Parameter Value) Pair(string name, string ending, long[] shape)
    {
        if (KeysAsValues)
        {
            var both = New(name + ending, shape);
            return (both, both);
        }

        return (New($"{name}_key{ending}", shape), New($"{name}_value{ending}", shape));
    }

    private Parameter New(string name, long[] shape)
    {
        var parameter = placement.NewParameter(_trained, shape);
        owner.register_parameter(name, parameter);
        return parameter;
    }
}
