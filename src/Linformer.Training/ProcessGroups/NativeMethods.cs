using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Linformer.Training.ProcessGroups;

/// <summary>What the functions of the native library return.</summary>
internal enum NativeCode
{
    Ok = 0,
    Failed = 1,
    Aborted = 2,
    TimedOut = 3,
    InvalidArgument = 4,
}

/// <summary>The C ABI of native/linformer_native.h.</summary>
internal static unsafe partial class NativeMethods
{
    private const string Library = "linformer_native";

    [LibraryImport(Library, EntryPoint = "lf_group_create", StringMarshalling = StringMarshalling.Utf8)]
    public static partial NativeCode Create(
        int rank, int size, long generation, string bindAddress, int sharesMemory, out GlooHandle group, out NativeError error);

    [LibraryImport(Library, EntryPoint = "lf_group_endpoint")]
    public static partial NativeCode Endpoint(GlooHandle group, byte* text, int capacity, out NativeError error);

    [LibraryImport(Library, EntryPoint = "lf_group_connect", StringMarshalling = StringMarshalling.Utf8)]
    public static partial NativeCode Connect(
        GlooHandle group, string endpoints, long timeoutMilliseconds, out NativeError error);

    [LibraryImport(Library, EntryPoint = "lf_group_abort")]
    public static partial void Abort(GlooHandle group);

    [LibraryImport(Library, EntryPoint = "lf_group_destroy")]
    public static partial void Destroy(nint group);

    [LibraryImport(Library, EntryPoint = "lf_all_reduce")]
    public static partial NativeCode AllReduce(
        GlooHandle group, nint data, long count, ElementType type, ReduceOperation operation,
        long timeoutMilliseconds, out NativeError error);

    [LibraryImport(Library, EntryPoint = "lf_all_reduce_rounded")]
    public static partial NativeCode AllReduceRounded(
        GlooHandle group, nint data, long count, long timeoutMilliseconds, out NativeError error);

    [LibraryImport(Library, EntryPoint = "lf_reduce_scatter")]
    public static partial NativeCode ReduceScatter(
        GlooHandle group, nint input, nint output, long count, ElementType type, ReduceOperation operation,
        long timeoutMilliseconds, out NativeError error);

    [LibraryImport(Library, EntryPoint = "lf_all_gather")]
    public static partial NativeCode AllGather(
        GlooHandle group, nint input, nint output, long count, ElementType type,
        long timeoutMilliseconds, out NativeError error);

    [LibraryImport(Library, EntryPoint = "lf_broadcast")]
    public static partial NativeCode Broadcast(
        GlooHandle group, nint data, long count, ElementType type, int root,
        long timeoutMilliseconds, out NativeError error);

    [LibraryImport(Library, EntryPoint = "lf_barrier")]
    public static partial NativeCode Barrier(GlooHandle group, long timeoutMilliseconds, out NativeError error);
}

/// <summary>struct lf_error.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeError
{
    private readonly int _peer;
    private MessageBytes _message;

    /// <summary>The rank at the other end, if known.</summary>
    public readonly int? Peer => _peer < 0 ? null : _peer;

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

/// <summary>Owns a native group; calls in progress keep it alive.</summary>
internal sealed class GlooHandle : SafeHandle
{
    public GlooHandle()
        : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        NativeMethods.Destroy(handle);
        return true;
    }
}
