using System.Runtime.InteropServices;
using TorchSharp.Interop;

namespace TorchSharp;

// What all overloads of a factory come down to.
public static partial class torch
{
    private static Tensor NewZeros(ReadOnlySpan<long> size, ScalarType? dtype, Device? device, bool requires_grad,
        string[]? names) =>
        Finish(Aten.Zeros.Call(size, dtype ?? _defaultDtype, Argument.None, InitializeDevice(device)), requires_grad, names);

    private static Tensor NewOnes(ReadOnlySpan<long> size, ScalarType? dtype, Device? device, bool requires_grad,
        string[]? names) =>
        Finish(Aten.Ones.Call(size, dtype ?? _defaultDtype, Argument.None, InitializeDevice(device)), requires_grad, names);

    private static Tensor NewEmpty(ReadOnlySpan<long> size, ScalarType? dtype, Device? device, bool requires_grad,
        string[]? names) =>
        Finish(
            Aten.Empty_memory_format.Call(size, dtype ?? _defaultDtype, Argument.None, InitializeDevice(device)),
            requires_grad, names);

    private static Tensor NewFull(ReadOnlySpan<long> size, Scalar value, ScalarType? dtype, Device? device,
        bool requires_grad, string[]? names) =>
        Finish(
            Aten.Full.Call(size, value, dtype ?? (is_integral(value.Type) ? ScalarType.Int64 : _defaultDtype),
                Argument.None, InitializeDevice(device)),
            requires_grad, names);

    private static Tensor NewRand(ReadOnlySpan<long> size, ScalarType? dtype, Device? device, bool requires_grad,
        Generator? generator, string[]? names) =>
        Finish(
            Aten.Rand_generator.Call(size, generator, FloatingPoint(nameof(rand), dtype) ?? _defaultDtype, Argument.None, InitializeDevice(device)),
            requires_grad, names);

    private static Tensor NewRandn(ReadOnlySpan<long> size, ScalarType? dtype, Device? device, bool requires_grad,
        Generator? generator, string[]? names) =>
        Finish(
            Aten.Randn_generator.Call(size, generator, FloatingPoint(nameof(randn), dtype) ?? _defaultDtype, Argument.None, InitializeDevice(device)),
            requires_grad, names);

    private static Tensor NewRandint(long low, long high, ReadOnlySpan<long> size, ScalarType? dtype, Device? device,
        bool requires_grad, Generator? generator, string[]? names) =>
        Finish(
            Aten.Randint_low_generator.Call(low, high, size, generator, dtype ?? ScalarType.Int64, Argument.None,
                InitializeDevice(device)),
            requires_grad, names);

    private static ScalarType? FloatingPoint(string function, ScalarType? dtype) =>
        dtype is { } type && is_integral(type)
            ? throw new ArgumentException(
                $"torch.{function}() was passed a bad dtype: {type}. It must be floating point or complex.", nameof(dtype))
            : dtype;

    private static Tensor Finish(Tensor tensor, bool requires_grad, string[]? names)
    {
        if (names is { Length: > 0 })
        {
            throw new NotSupportedException("Named dimensions are not supported by this build of TorchSharp.");
        }
        if (requires_grad)
        {
            tensor.requires_grad = true;
        }
        return tensor;
    }

    /// <summary>A tensor with a copy of what an array of any rank holds.</summary>
    private static Tensor FromArray<T>(Array array, ScalarType original, ScalarType? dtype, Device? device,
        bool requires_grad, string[]? names)
        where T : unmanaged
    {
        var shape = new long[array.Rank];
        for (int i = 0; i < shape.Length; i++)
        {
            shape[i] = array.GetLongLength(i);
        }
        // An array of any rank keeps its elements in one run, the last dimension varying fastest.
        var elements = MemoryMarshal.CreateReadOnlySpan(
            ref System.Runtime.CompilerServices.Unsafe.As<byte, T>(ref MemoryMarshal.GetArrayDataReference(array)),
            array.Length);
        return FromMemory(elements, shape, original, dtype, device, requires_grad, names);
    }

    /// <summary>A tensor with a copy of the elements, converted to dtype.</summary>
    private static unsafe Tensor FromMemory<T>(ReadOnlySpan<T> elements, ReadOnlySpan<long> shape, ScalarType original,
        ScalarType? dtype, Device? device, bool requires_grad, string[]? names)
        where T : unmanaged
    {
        long count = 1;
        foreach (long size in shape)
        {
            count *= size;
        }
        if (count > elements.Length)
        {
            throw new ArgumentException(
                $"mismatched total size creating a tensor from an array: {count} vs. {elements.Length}");
        }
        InitializeDevice(device);
        nint handle;
        fixed (long* sizes = shape)
        {
            NativeMethods.Check(NativeMethods.tb_tensor_empty(sizes, shape.Length, (int)original, &handle));
        }
        if (count > 0)
        {
            nint data;
            NativeMethods.Check(NativeMethods.tb_tensor_data(handle, &data));
            elements[..(int)count].CopyTo(new Span<T>((void*)data, (int)count));
        }
        // As in the package, what is converted after that is no leaf.
        var tensor = Finish(new Tensor(handle), requires_grad, names);
        if (dtype is { } wanted && wanted != original)
        {
            var converted = tensor.to_type(wanted);
            tensor.Dispose();
            tensor = converted;
        }
        return tensor;
    }
}
