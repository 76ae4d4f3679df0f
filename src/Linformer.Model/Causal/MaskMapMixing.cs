using Linformer.Model.Layers;
using static TorchSharp.torch;

namespace Linformer.Model.Causal;

/// <summary>
/// Linformer's attention with a mask over the upper right of its n×k map, as tatp22/linformer-pytorch has it. Not causal: each of the k
/// projected keys and values mixes the whole sequence, so a token sees what comes after it. It is here so that such models can be used.
/// </summary>
internal sealed class MaskMapMixing(BlockProjection projection) : ICausalMixing
{
    /// <inheritdoc/>
    public Tensor Mix(Tensor query, Tensor keys, Tensor values, CausalMask mask, Func<Tensor, Tensor> weights)
    {
        var heads = query.shape[1];
        var projectedKeys = projection.ProjectKeys(keys.MergeHeads(), heads);       // [batch, heads, k, d]
        var projectedValues = projection.ProjectValues(values.MergeHeads(), heads); // [batch, heads, k, d]
        return weights(mask.Apply(query.matmul(projectedKeys.transpose(-2, -1)))).matmul(projectedValues);
    }

    /// <summary>None: a further token changes all that came before.</summary>
    public IAttentionCache? NewCache() => null;
}
