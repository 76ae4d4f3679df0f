using static TorchSharp.torch;

namespace Linformer.Model.Kernels;

/// <summary>Where tensors lie.</summary>
internal static class Memory
{
    /// <summary>The first element of a contiguous tensor on the CPU; the tensor must outlive what is done with it.</summary>
    /// <exception cref="ArgumentException">The tensor is not contiguous, or of another type than float32 and int64.</exception>
    public static nint Of(Tensor tensor)
    {
        if (!tensor.is_contiguous())
        {
            throw new ArgumentException($"A tensor of shape [{string.Join(", ", tensor.shape)}] is not contiguous.", nameof(tensor));
        }

        // Reading the storage makes another tensor object, which would else live until the finalizer runs.
        using var scope = NewDisposeScope();
        return tensor.dtype switch
        {
            ScalarType.Float32 => tensor.storage<float>().data_ptr() + ((nint)tensor.storage_offset() * sizeof(float)),
            ScalarType.Int64 => tensor.storage<long>().data_ptr() + ((nint)tensor.storage_offset() * sizeof(long)),
            _ => throw new ArgumentException($"A tensor of type {tensor.dtype}; allowed are Float32 and Int64.", nameof(tensor)),
        };
    }
}
