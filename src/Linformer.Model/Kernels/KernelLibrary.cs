using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Linformer.Model.Kernels;

/// <summary>The native library linformer_kernels: products through oneDNN, everything else fused and vectorised.</summary>
public static unsafe partial class KernelLibrary
{
    private const int VectorisedBit = 1;
    private const int BFloat16Bit = 2;

    private static readonly int? Capabilities = Load();

    /// <summary>Whether the library is there and can be loaded.</summary>
    public static bool IsAvailable => Capabilities is not null;

    /// <summary>Whether it has code for this processor's vectors (AVX2 or better).</summary>
    public static bool IsVectorised => (Capabilities & VectorisedBit) == VectorisedBit;

    /// <summary>Whether this processor multiplies bfloat16 in hardware (AVX512_BF16 or AMX).</summary>
    public static bool HasBFloat16 => (Capabilities & BFloat16Bit) == BFloat16Bit;

    private static int? Load()
    {
        try
        {
            return GetCapabilities();
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            return null;
        }
    }

    [LibraryImport("linformer_kernels", EntryPoint = "lf_kernels_capabilities")]
    private static partial int GetCapabilities();
}

/// <summary>struct lf_error of native/linformer_native.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct KernelError
{
    private readonly int _peer; // of collectives only
    private readonly MessageBytes _message;

    public string Message
    {
        get
        {
            fixed (byte* text = &_message.First)
            {
                return Marshal.PtrToStringUTF8((nint)text) ?? "";
            }
        }
    }

    [InlineArray(1020)]
    private struct MessageBytes
    {
        public byte First;
    }
}
