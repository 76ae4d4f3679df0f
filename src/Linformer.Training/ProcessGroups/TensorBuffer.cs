using TorchSharp;

namespace Linformer.Training.ProcessGroups;

/// <summary>The element types of a collective; the values are those of the native library.</summary>
internal enum ElementType
{
    Float32 = 0,
    Float64 = 1,
    Int32 = 2,
    Int64 = 3,
}

/// <summary>The memory of a tensor, kept alive until it is disposed, whatever becomes of the tensor.</summary>
internal sealed class TensorBuffer : IDisposable
{
    private readonly torch.Tensor _alias;

    private TensorBuffer(torch.Tensor alias, nint pointer, ElementType type, long count)
    {
        _alias = alias;
        Pointer = pointer;
        Type = type;
        Count = count;
    }

    /// <summary>The first element.</summary>
    public nint Pointer { get; }

    public ElementType Type { get; }

    /// <summary>The number of elements.</summary>
    public long Count { get; }

    public int ElementSize => Type is ElementType.Float32 or ElementType.Int32 ? 4 : 8;

    public long Bytes => Count * ElementSize;

    /// <summary>Takes hold of a tensor's memory.</summary>
    /// <exception cref="ArgumentException">Its layout, device or type is not supported.</exception>
    public static TensorBuffer Of(torch.Tensor tensor, string name)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (tensor.device_type != DeviceType.CPU)
        {
            throw new ArgumentException($"{name} is on {tensor.device_type}; only the CPU is supported", name);
        }

        if (!tensor.is_contiguous())
        {
            throw new ArgumentException(
                $"{name} of shape [{string.Join(", ", tensor.shape)}] is not contiguous; make it so first", name);
        }

        return tensor.dtype switch
        {
            torch.ScalarType.Float32 => Of<float>(tensor, ElementType.Float32),
            torch.ScalarType.Float64 => Of<double>(tensor, ElementType.Float64),
            torch.ScalarType.Int32 => Of<int>(tensor, ElementType.Int32),
            torch.ScalarType.Int64 => Of<long>(tensor, ElementType.Int64),
            _ => throw new ArgumentException(
                $"{name} is of type {tensor.dtype}; allowed are Float32, Float64, Int32 and Int64", name),
        };
    }

    /// <summary>Checks that one tensor has the same type as the other and so many times its elements.</summary>
    /// <exception cref="ArgumentException">It does not.</exception>
    public static void CheckParts(TensorBuffer whole, TensorBuffer part, int parts, string wholeName, string partName)
    {
        if (whole.Type != part.Type)
        {
            throw new ArgumentException($"{wholeName} is of type {whole.Type}, {partName} of type {part.Type}", wholeName);
        }

        if (whole.Count != parts * part.Count)
        {
            throw new ArgumentException(
                $"{wholeName} has {whole.Count} elements; it must have {parts} times the {part.Count} of {partName}",
                wholeName);
        }
    }

    /// <summary>Copies all elements to a buffer of the same size, which may be this one.</summary>
    public unsafe void CopyTo(TensorBuffer other)
        => Buffer.MemoryCopy((void*)Pointer, (void*)other.Pointer, other.Bytes, Bytes);

    /// <summary>All bytes, as long as this is not disposed.</summary>
    public unsafe ReadOnlySpan<byte> AsBytes() => new((void*)Pointer, checked((int)Bytes));

    public void Dispose() => _alias.Dispose();

    private static unsafe TensorBuffer Of<T>(torch.Tensor tensor, ElementType type)
        where T : unmanaged
    {
        // Reading the storage makes another tensor object, which would else live until the finalizer runs.
        using var scope = torch.NewDisposeScope();
        var storage = tensor.storage<T>();
        var pointer = storage.data_ptr() + ((nint)tensor.storage_offset() * sizeof(T));
        return new TensorBuffer(tensor.alias().DetachFromDisposeScope(), pointer, type, tensor.numel());
    }
}
