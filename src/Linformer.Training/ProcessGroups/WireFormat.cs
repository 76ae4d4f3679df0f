using TorchSharp;

namespace Linformer.Training.ProcessGroups;

/// <summary>As what the elements of an all-reduce travel.</summary>
public enum WireFormat
{
    /// <summary>As they are.</summary>
    Full = 0,

    /// <summary>
    /// The sum of float32 elements, of which half as many bytes travel: each is rounded to bfloat16 on its way to where the sum is
    /// made, and the sum, made in float32, is rounded once more. The result is the rounded sum, with the same bits on all ranks.
    /// Infinity and NaN survive; a sum beyond the largest bfloat16 is infinity. A group of one rank rounds nothing.
    /// </summary>
    BFloat16 = 1,
}

/// <summary>What may travel as what.</summary>
internal static class WireFormats
{
    /// <summary>Checks that a reduction can be done with a format.</summary>
    /// <exception cref="ArgumentException">It cannot.</exception>
    public static void Check(WireFormat wire, torch.Tensor buffer, ReduceOperation operation)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        switch (wire)
        {
            case WireFormat.Full:
                return;
            case WireFormat.BFloat16 when buffer.dtype != torch.ScalarType.Float32:
                throw new ArgumentException($"buffer is of type {buffer.dtype}; only Float32 can travel as bfloat16", nameof(buffer));
            case WireFormat.BFloat16 when operation != ReduceOperation.Sum:
                throw new ArgumentException($"operation is {operation}; only a Sum can travel as bfloat16", nameof(operation));
            case WireFormat.BFloat16:
                return;
            default:
                throw new ArgumentOutOfRangeException(nameof(wire), wire, "wire must be Full or BFloat16");
        }
    }
}
