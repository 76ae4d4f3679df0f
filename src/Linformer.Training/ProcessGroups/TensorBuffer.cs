using TorchSharp;

namespace Linformer.Training.ProcessGroups;

/// <summary>The element types of a collective; the values are those of native/linformer_native.h, which lacks the last.</summary>
internal enum ElementType
{
    Float32 = 0,
    Float64 = 1,
    Int32 = 2,
    Int64 = 3,
    BFloat16 = 4,
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

    public int ElementSize => SizeOf(Type);

    public long Bytes => Count * ElementSize;

    /// <summary>Takes hold of the memory of a tensor on the CPU, of a type that Gloo knows.</summary>
    /// <exception cref="ArgumentException">Its layout, device or type is not supported.</exception>
    public static TensorBuffer OnCpu(torch.Tensor tensor, string name)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (tensor.device_type != DeviceType.CPU)
        {
            throw new ArgumentException($"{name} is on {tensor.device_type}; only the CPU is supported", name);
        }

        return tensor.dtype == torch.ScalarType.BFloat16
            ? throw new ArgumentException($"{name} is of type {tensor.dtype}; allowed are Float32, Float64, Int32 and Int64", name)
            : Of(tensor, name);
    }

    /// <summary>Takes hold of the memory of a tensor, wherever it is.</summary>
    /// <exception cref="ArgumentException">Its layout or type is not supported.</exception>
    public static TensorBuffer Of(torch.Tensor tensor, string name)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (!tensor.is_contiguous())
        {
            throw new ArgumentException(
                $"{name} of shape [{string.Join(", ", tensor.shape)}] is not contiguous; make it so first", name);
        }

        ElementType? type = tensor.dtype switch
        {
            torch.ScalarType.Float32 => ElementType.Float32,
            torch.ScalarType.Float64 => ElementType.Float64,
            torch.ScalarType.Int32 => ElementType.Int32,
            torch.ScalarType.Int64 => ElementType.Int64,
            torch.ScalarType.BFloat16 => ElementType.BFloat16,
            _ => null,
        };
        return type is { } known
            ? Of(tensor, known)
            : throw new ArgumentException(
                $"{name} is of type {tensor.dtype}; allowed are Float32, Float64, Int32 and Int64", name);
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

    /// <summary>All bytes of a buffer on the CPU, as long as this is not disposed.</summary>
    public unsafe ReadOnlySpan<byte> AsBytes() => new((void*)Pointer, checked((int)Bytes));

    public void Dispose() => _alias.Dispose();

    private static TensorBuffer Of(torch.Tensor tensor, ElementType type)
    {
        // Reading the storage makes another tensor object, which would else live until the finalizer runs.
        using var scope = torch.NewDisposeScope();
        var storage = type switch
        {
            ElementType.Float32 => tensor.storage<float>().data_ptr(),
            ElementType.Float64 => tensor.storage<double>().data_ptr(),
            ElementType.Int32 => tensor.storage<int>().data_ptr(),
            ElementType.Int64 => tensor.storage<long>().data_ptr(),
            _ => BytesOf(tensor).storage<byte>().data_ptr(),
        };
        var pointer = storage + ((nint)tensor.storage_offset() * SizeOf(type));
        return new TensorBuffer(tensor.alias().DetachFromDisposeScope(), pointer, type, tensor.numel());
    }

    // No storage is given for other types; bytes over the same memory have one.
    private static torch.Tensor BytesOf(torch.Tensor tensor)
    {
        using var noGrad = torch.no_grad();
        var bytes = torch.empty([0], dtype: torch.ScalarType.Byte, device: tensor.device);
        bytes.set_(tensor);
        return bytes;
    }

    private static int SizeOf(ElementType type) => type switch
    {
        ElementType.BFloat16 => 2,
        ElementType.Float32 or ElementType.Int32 => 4,
        _ => 8,
    };
}
