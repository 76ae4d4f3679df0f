using System.Runtime.InteropServices;

namespace TorchSharp.Interop;

/// <summary>The kinds of value that the bridge passes; the numbers are those of bridge.h.</summary>
internal enum Tag : long
{
    None = 0,
    Tensor = 1,
    Int = 2,
    Double = 3,
    Bool = 4,
    IntList = 5,
    TensorList = 6,
    OptionalTensorList = 7,
    String = 8,
    Device = 9,
    Generator = 10,
    Default = 11,
}

/// <summary>An argument or a result of an operator, laid out as in bridge.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NativeValue
{
    public Tag Tag;
    public long Bits;
    public long Length;
}
