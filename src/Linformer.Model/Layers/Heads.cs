using static TorchSharp.torch;

namespace Linformer.Model.Layers;

internal static class Heads
{
    /// <summary>[batch, length, heads·d] to [batch, heads, length, d].</summary>
    public static Tensor SplitHeads(this Tensor x, long heads) =>
        x.view(x.shape[0], x.shape[1], heads, x.shape[2] / heads).transpose(1, 2);

    /// <summary>[batch, heads, length, d] to [batch, length, heads·d].</summary>
    public static Tensor MergeHeads(this Tensor x) =>
        x.transpose(1, 2).reshape(x.shape[0], x.shape[2], x.shape[1] * x.shape[3]);
}
