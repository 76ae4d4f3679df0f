using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Linformer.Training.ProcessGroups.Nccl;

/// <summary>ncclResult_t.</summary>
internal enum NcclResult
{
    Success = 0,
    UnhandledCudaError = 1,
    SystemError = 2,
    InternalError = 3,
    InvalidArgument = 4,
    InvalidUsage = 5,
    RemoteError = 6,
    InProgress = 7,
}

/// <summary>ncclDataType_t, as far as it is used.</summary>
internal enum NcclType
{
    Int32 = 2,
    Int64 = 4,
    Float32 = 7,
    Float64 = 8,
    BFloat16 = 9,
}

/// <summary>ncclRedOp_t, as far as it is used.</summary>
internal enum NcclReduction
{
    Sum = 0,
    Max = 2,
    Min = 3,
}

/// <summary>ncclUniqueId: passed by value.</summary>
[InlineArray(Length)]
internal struct NcclUniqueId
{
    /// <summary>NCCL_UNIQUE_ID_BYTES.</summary>
    public const int Length = 128;

    private byte _first;
}

/// <summary>
/// ncclConfig_t of NCCL 2.14: every later version takes it, since it reads as many bytes as the first field says and leaves
/// what the version does not have at its defaults.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NcclConfig
{
    private const uint ApiMagic = 0xcafebeef;
    private const int Undefined = int.MinValue;

    // 2.14.0, whose struct this is.
    private const int StructVersion = 21400;

    private nuint _size;
    private uint _magic;
    private uint _version;
    private int _blocking;

    // In the struct of 2.14 this is padding; later versions have a field here, which they ignore for this version.
    private int _padding;

    /// <summary>Calls return at once, and tell by ncclCommGetAsyncError when they are done.</summary>
    public static NcclConfig NonBlocking => new()
    {
        _size = (nuint)Unsafe.SizeOf<NcclConfig>(),
        _magic = ApiMagic,
        _version = StructVersion,
        _blocking = 0,
        _padding = Undefined,
    };
}

/// <summary>The functions of libnccl.so.2, as nccl.h declares them. size_t is nuint, a communicator or stream nint.</summary>
internal static unsafe partial class NcclMethods
{
    private const string Library = NativeLibraries.Nccl;

    [LibraryImport(Library, EntryPoint = "ncclGetVersion")]
    public static partial NcclResult GetVersion(out int version);

    [LibraryImport(Library, EntryPoint = "ncclGetUniqueId")]
    public static partial NcclResult GetUniqueId(out NcclUniqueId id);

    [LibraryImport(Library, EntryPoint = "ncclCommInitRankConfig")]
    public static partial NcclResult CommInitRankConfig(
        nint* communicator, int ranks, NcclUniqueId id, int rank, ref NcclConfig config);

    [LibraryImport(Library, EntryPoint = "ncclCommGetAsyncError")]
    public static partial NcclResult CommGetAsyncError(nint communicator, out NcclResult error);

    [LibraryImport(Library, EntryPoint = "ncclCommFinalize")]
    public static partial NcclResult CommFinalize(nint communicator);

    [LibraryImport(Library, EntryPoint = "ncclCommDestroy")]
    public static partial NcclResult CommDestroy(nint communicator);

    [LibraryImport(Library, EntryPoint = "ncclCommAbort")]
    public static partial NcclResult CommAbort(nint communicator);

    [LibraryImport(Library, EntryPoint = "ncclGroupStart")]
    public static partial NcclResult GroupStart();

    [LibraryImport(Library, EntryPoint = "ncclGroupEnd")]
    public static partial NcclResult GroupEnd();

    [LibraryImport(Library, EntryPoint = "ncclAllReduce")]
    public static partial NcclResult AllReduce(
        nint send, nint receive, nuint count, NcclType type, NcclReduction operation, nint communicator, nint stream);

    [LibraryImport(Library, EntryPoint = "ncclReduceScatter")]
    public static partial NcclResult ReduceScatter(
        nint send, nint receive, nuint receiveCount, NcclType type, NcclReduction operation, nint communicator, nint stream);

    [LibraryImport(Library, EntryPoint = "ncclAllGather")]
    public static partial NcclResult AllGather(
        nint send, nint receive, nuint sendCount, NcclType type, nint communicator, nint stream);

    [LibraryImport(Library, EntryPoint = "ncclBroadcast")]
    public static partial NcclResult Broadcast(
        nint send, nint receive, nuint count, NcclType type, int root, nint communicator, nint stream);

    [LibraryImport(Library, EntryPoint = "ncclGetErrorString")]
    private static partial byte* GetErrorString(NcclResult result);

    [LibraryImport(Library, EntryPoint = "ncclGetLastError")]
    private static partial byte* GetLastError(nint communicator);

    /// <summary>What a result means, with what the library says of the last error.</summary>
    /// <param name="result">The result.</param>
    /// <param name="communicator">The communicator, or 0.</param>
    public static string Describe(NcclResult result, nint communicator)
    {
        var meaning = Marshal.PtrToStringUTF8((nint)GetErrorString(result)) ?? "unknown error";
        var last = Marshal.PtrToStringUTF8((nint)GetLastError(communicator))?.Trim();
        return string.IsNullOrEmpty(last) ? $"{meaning} (NCCL {(int)result})" : $"{meaning} (NCCL {(int)result}): {last}";
    }
}
