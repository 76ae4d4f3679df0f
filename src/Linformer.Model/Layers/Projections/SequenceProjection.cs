using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>Keys and values that stand for those of a whole sequence.</summary>
/// <param name="Keys">[batch, key/value heads, m, head size]; m is k, or fewer for a short sequence.</param>
/// <param name="Values">[batch, key/value heads, m, head size].</param>
/// <param name="Empty">[batch, 1, 1, m], true where nothing but padding was; null when there is no such place.</param>
public readonly record struct ProjectedSequence(Tensor Keys, Tensor Values, Tensor? Empty);

/// <summary>
/// What takes keys and values of one layer from length n to k (Wang et al. 2020, equation 7 and section 4). Its parameters are those of
/// the module that it is made for: a layer, or the encoder if layers share it.
/// </summary>
public abstract class SequenceProjection
{
    /// <summary>Projects.</summary>
    /// <param name="keys">[batch, length, key/value heads · head size]; length at most n.</param>
    /// <param name="values">Of the same shape; the same object when keys are values.</param>
    /// <param name="mask">[batch, length, 1], 1 for a token and 0 for padding; null when nothing is padded.</param>
    public abstract ProjectedSequence Project(Tensor keys, Tensor values, Tensor? mask);

    /// <summary>Makes the projection that a model has; null for full attention.</summary>
    /// <param name="config">Kind, shapes, sharing.</param>
    /// <param name="layer">The layer that it is for, from 0; 0 if it is for all.</param>
    /// <param name="owner">Gets the parameters.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    internal static SequenceProjection? Create(LinformerConfig config, int layer, nn.Module owner, Placement placement)
    {
        if (config.Attention == AttentionKind.Full)
        {
            return null;
        }

        var k = config.ProjectedLengthOf(layer);
        var window = config.SequenceLength / k;
        var parameters = new ProjectionParameters(config, owner, placement);
        return config.Projection switch
        {
            ProjectionKind.MeanPool => new MeanPoolProjection(window, config.KeyValueHeads),
            ProjectionKind.MaxPool => new MaxPoolProjection(window, config.KeyValueHeads),
            ProjectionKind.Convolution => parameters.Convolution(window, k),
            _ => parameters.Matrix(k),
        };
    }

    /// <summary>Makes the projection that serves all layers; null if each has its own, or there is none.</summary>
    /// <param name="config">Kind, shapes, sharing.</param>
    /// <param name="owner">Gets the parameters.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    internal static SequenceProjection? CreateShared(LinformerConfig config, nn.Module owner, Placement placement) =>
        config.Sharing == ProjectionSharing.Layerwise && config.Projection is not (ProjectionKind.MeanPool or ProjectionKind.MaxPool)
            ? Create(config, 0, owner, placement)
            : null;
}
