using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Linformer.Model.Kernels;

/// <summary>What all elements of one update of AdamW have in common (struct lf_adamw_options).</summary>
/// <param name="LearningRate">Learning rate.</param>
/// <param name="Beta1">Decay of the first moment, from 0 to below 1.</param>
/// <param name="Beta2">Decay of the second moment, from 0 to below 1.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="WeightDecay">Decoupled decay, per unit of learning rate; 0 for none.</param>
/// <param name="GradientScale">Gradients are multiplied by it.</param>
/// <param name="Update">The number of the update, from 1: it corrects the moments' bias.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct AdamWStep(
    double LearningRate, double Beta1, double Beta2, double Epsilon, double WeightDecay, double GradientScale, long Update);

/// <summary>The optimizer's passes over flat buffers, each of which reads and writes every element once.</summary>
public static unsafe partial class OptimizerKernels
{
    private const string Library = "linformer_kernels";

    /// <summary>Whether a buffer is one that these kernels work on: contiguous, float32, on the CPU, and the library is there.</summary>
    /// <param name="buffer">Any tensor.</param>
    public static bool Supports(Tensor buffer) =>
        KernelLibrary.IsAvailable
        && buffer.dtype == ScalarType.Float32
        && buffer.device_type == TorchSharp.DeviceType.CPU
        && buffer.is_contiguous();

    /// <summary>The sum of the squares of a range, in double: the same bits whatever the number of threads.</summary>
    /// <param name="values">A buffer that is supported.</param>
    /// <param name="from">First element of the range.</param>
    /// <param name="length">Elements of the range.</param>
    /// <exception cref="ArgumentException">The buffer is not supported.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The range is not within the buffer.</exception>
    public static double SumOfSquares(Tensor values, long from, long length)
    {
        KernelException.Check(SumOfSquares(Address(values, from, length), length, out var sum, out var error), error);
        return sum;
    }

    /// <summary>Updates a range of a flat buffer; a range as a whole and in pieces gets the same bits.</summary>
    /// <param name="step">What all its elements have in common.</param>
    /// <param name="values">Parameters.</param>
    /// <param name="gradients">Their gradients.</param>
    /// <param name="firstMoment">Running mean of the gradients.</param>
    /// <param name="secondMoment">Running mean of their squares.</param>
    /// <param name="from">First element of the range, of each buffer.</param>
    /// <param name="length">Elements of the range.</param>
    /// <exception cref="ArgumentException">A buffer is not supported.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The range is not within a buffer.</exception>
    /// <exception cref="KernelException">The step is not valid.</exception>
    public static void AdamW(
        in AdamWStep step, Tensor values, Tensor gradients, Tensor firstMoment, Tensor secondMoment, long from, long length)
    {
        var code = AdamW(
            in step,
            Address(values, from, length),
            Address(gradients, from, length),
            Address(firstMoment, from, length),
            Address(secondMoment, from, length),
            length,
            out var error);
        KernelException.Check(code, error);
    }

    private static float* Address(Tensor buffer, long from, long length)
    {
        if (!Supports(buffer))
        {
            throw new ArgumentException($"A buffer of {buffer.dtype} on {buffer.device_type}; allowed are contiguous ones of Float32 on the CPU.", nameof(buffer));
        }

        var elements = buffer.numel();
        if (from < 0 || length < 0 || from > elements - length)
        {
            throw new ArgumentOutOfRangeException(nameof(from), $"{length} elements from {from} on are not within the buffer, which has {elements}.");
        }

        return (float*)Memory.Of(buffer) + from;
    }

    [LibraryImport(Library, EntryPoint = "lf_sum_of_squares")]
    private static partial int SumOfSquares(float* values, long count, out double sum, out KernelError error);

    [LibraryImport(Library, EntryPoint = "lf_adamw")]
    private static partial int AdamW(
        in AdamWStep options, float* values, float* gradients, float* firstMoments, float* secondMoments, long count,
        out KernelError error);
}
