using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>Sequences in windows of neighbouring positions.</summary>
internal static class Windows
{
    /// <summary>[batch, length, width], filled up so that the last window is whole.</summary>
    public static Tensor Fill(Tensor x, long window, double value)
    {
        var missing = (window - (x.shape[1] % window)) % window;
        return missing == 0 ? x : nn.functional.pad(x, [0, 0, 0, missing], value: value);
    }

    /// <summary>[batch, windows · window, width] to [batch, windows, window, width].</summary>
    public static Tensor Split(Tensor x, long window) => x.reshape(x.shape[0], x.shape[1] / window, window, x.shape[2]);

    /// <summary>From counts [batch, windows, 1] of what is no padding, [batch, 1, 1, windows]: whether there is nothing else.</summary>
    public static Tensor Empty(Tensor counts) => counts.eq(0).transpose(1, 2).unsqueeze(1);
}
