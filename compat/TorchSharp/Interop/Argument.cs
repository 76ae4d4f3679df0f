using System.Text;

namespace TorchSharp.Interop;

/// <summary>An argument of an operator. It holds on to the objects whose handles are passed.</summary>
internal readonly struct Argument
{
    private readonly long _bits;
    private readonly long _index;

    private Argument(Tag tag, long bits = 0, object? reference = null, long index = 0)
    {
        Tag = tag;
        _bits = bits;
        _index = index;
        Reference = reference;
    }

    public Tag Tag { get; }

    public object? Reference { get; }

    /// <summary>What the operator's schema says.</summary>
    public static Argument Default => new(Tag.Default);

    public static Argument None => default;

    /// <summary>How many 8-byte words of scratch memory <see cref="Write"/> needs.</summary>
    public int ScratchWords => Tag switch
    {
        Tag.IntList => ((long[])Reference!).Length,
        Tag.TensorList or Tag.OptionalTensorList => ((torch.Tensor?[])Reference!).Length,
        Tag.String => (((byte[])Reference!).Length + 7) / 8,
        _ => 0,
    };

    public static implicit operator Argument(torch.Tensor? tensor) =>
        tensor is null ? default : new(Tag.Tensor, tensor.Handle, tensor);

    public static implicit operator Argument(long value) => new(Tag.Int, value);

    public static implicit operator Argument(long? value) => value is null ? None : new(Tag.Int, value.Value);

    public static implicit operator Argument(double value) => new(Tag.Double, BitConverter.DoubleToInt64Bits(value));

    public static implicit operator Argument(double? value) => value is null ? None : value.Value;

    public static implicit operator Argument(bool value) => new(Tag.Bool, value ? 1 : 0);

    public static implicit operator Argument(torch.ScalarType value) => new(Tag.Int, (long)value);

    public static implicit operator Argument(torch.ScalarType? value) => value is null ? None : value.Value;

    public static implicit operator Argument(long[]? values) =>
        values is null ? default : new(Tag.IntList, reference: values);

    public static implicit operator Argument(ReadOnlySpan<long> values) => values.ToArray();

    public static implicit operator Argument(torch.Tensor[] tensors) => new(Tag.TensorList, reference: tensors);

    public static implicit operator Argument(string text) =>
        new(Tag.String, reference: Encoding.UTF8.GetBytes(text));

    public static implicit operator Argument(torch.Device device) =>
        new(Tag.Device, (long)device.type, index: device.index);

    public static implicit operator Argument(torch.Generator? generator) =>
        generator is null ? default : new(Tag.Generator, generator.Handle, generator);

    public static implicit operator Argument(Scalar? scalar) => scalar is null ? default : scalar.ToArgument();

    public static Argument Optional(torch.Tensor?[] tensors) => new(Tag.OptionalTensorList, reference: tensors);

    /// <summary>Writes this argument for the bridge; lists go to scratch memory, which must stay where it is.</summary>
    public unsafe void Write(NativeValue* value, long* scratch)
    {
        value->Tag = Tag;
        value->Bits = _bits;
        value->Length = _index;
        switch (Tag)
        {
            case Tag.IntList:
                var numbers = (long[])Reference!;
                numbers.AsSpan().CopyTo(new Span<long>(scratch, numbers.Length));
                value->Bits = (long)scratch;
                value->Length = numbers.Length;
                break;
            case Tag.TensorList or Tag.OptionalTensorList:
                var tensors = (torch.Tensor?[])Reference!;
                for (int i = 0; i < tensors.Length; i++)
                {
                    scratch[i] = tensors[i] is { } tensor ? tensor.Handle : 0;
                }
                value->Bits = (long)scratch;
                value->Length = tensors.Length;
                break;
            case Tag.String:
                var bytes = (byte[])Reference!;
                bytes.AsSpan().CopyTo(new Span<byte>(scratch, bytes.Length));
                value->Bits = (long)scratch;
                value->Length = bytes.Length;
                break;
        }
    }
}
