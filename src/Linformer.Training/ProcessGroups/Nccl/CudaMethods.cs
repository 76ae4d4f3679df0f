using System.Runtime.InteropServices;

namespace Linformer.Training.ProcessGroups.Nccl;

/// <summary>The functions of the CUDA runtime that are used. Each returns cudaError_t; a stream or an event is nint.</summary>
internal static unsafe partial class CudaMethods
{
    /// <summary>cudaErrorInvalidValue.</summary>
    public const int InvalidValue = 1;

    /// <summary>cudaErrorNotReady.</summary>
    public const int NotReady = 600;

    /// <summary>cudaStreamNonBlocking: not ordered with the stream on which torch computes.</summary>
    public const uint StreamNonBlocking = 1;

    /// <summary>cudaEventDisableTiming.</summary>
    public const uint EventDisableTiming = 2;

    private const string Library = NativeLibraries.CudaRuntime;

    [LibraryImport(Library, EntryPoint = "cudaGetDeviceCount")]
    public static partial int GetDeviceCount(out int count);

    [LibraryImport(Library, EntryPoint = "cudaSetDevice")]
    public static partial int SetDevice(int device);

    [LibraryImport(Library, EntryPoint = "cudaRuntimeGetVersion")]
    public static partial int RuntimeGetVersion(out int version);

    [LibraryImport(Library, EntryPoint = "cudaStreamCreateWithFlags")]
    public static partial int StreamCreateWithFlags(out nint stream, uint flags);

    [LibraryImport(Library, EntryPoint = "cudaStreamDestroy")]
    public static partial int StreamDestroy(nint stream);

    [LibraryImport(Library, EntryPoint = "cudaStreamWaitEvent")]
    public static partial int StreamWaitEvent(nint stream, nint waitedFor, uint flags);

    [LibraryImport(Library, EntryPoint = "cudaEventCreateWithFlags")]
    public static partial int EventCreateWithFlags(out nint created, uint flags);

    [LibraryImport(Library, EntryPoint = "cudaEventDestroy")]
    public static partial int EventDestroy(nint destroyed);

    [LibraryImport(Library, EntryPoint = "cudaEventRecord")]
    public static partial int EventRecord(nint recorded, nint stream);

    [LibraryImport(Library, EntryPoint = "cudaEventQuery")]
    public static partial int EventQuery(nint queried);

    [LibraryImport(Library, EntryPoint = "cudaPointerGetAttributes")]
    public static partial int PointerGetAttributes(out CudaPointerAttributes attributes, nint pointer);

    [LibraryImport(Library, EntryPoint = "cudaGetErrorString")]
    private static partial byte* GetErrorString(int error);

    /// <summary>Throws what an error means.</summary>
    /// <param name="error">What a function returned.</param>
    /// <param name="function">Its name.</param>
    /// <exception cref="CudaException">It is an error.</exception>
    public static void Check(int error, string function)
    {
        if (error != 0)
        {
            throw new CudaException($"{function}: {Describe(error)}");
        }
    }

    /// <summary>What an error means.</summary>
    public static string Describe(int error)
        => $"{Marshal.PtrToStringUTF8((nint)GetErrorString(error)) ?? "unknown error"} (CUDA {error})";
}

/// <summary>A call of the CUDA runtime failed. Most errors stay with the process until it ends.</summary>
internal sealed class CudaException(string message) : NativeException(NativeCode.Failed, peer: null, message);

/// <summary>cudaPointerAttributes of CUDA 11 and later. Version 13 has added the field at the end.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CudaPointerAttributes
{
    /// <summary>cudaMemoryTypeDevice.</summary>
    public const int DeviceMemory = 2;

    /// <summary>cudaMemoryTypeManaged.</summary>
    public const int ManagedMemory = 3;

    /// <summary>cudaMemoryType.</summary>
    public int Type;

    /// <summary>The GPU's number in this process.</summary>
    public int Device;

    private readonly nint _devicePointer;
    private readonly nint _hostPointer;
    private fixed long _reserved[8];
}
