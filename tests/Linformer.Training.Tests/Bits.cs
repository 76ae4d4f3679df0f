using TorchSharp;

namespace Linformer.Training.Tests;

/// <summary>Tensors of float32 as what they are made of, so that only equal bits are equal.</summary>
internal static class Bits
{
    public static int[] BitsOf(torch.Tensor tensor)
    {
        using var plain = tensor.detach().cpu().contiguous();
        return [.. plain.data<float>().ToArray().Select(BitConverter.SingleToInt32Bits)];
    }

    public static float[] FloatsOf(torch.Tensor tensor) => [.. BitsOf(tensor).Select(BitConverter.Int32BitsToSingle)];

    /// <summary>Everything that a step may change.</summary>
    public static int[] StateOf(Trainer trainer) =>
        [.. BitsOf(trainer.Parameters.Values), .. BitsOf(trainer.Optimizer.FirstMoment), .. BitsOf(trainer.Optimizer.SecondMoment)];
}
