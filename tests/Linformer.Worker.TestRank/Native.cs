using System.Runtime.InteropServices;
using System.Text;

namespace Linformer.Worker.TestRank;

/// <summary>What a native library may do to a process.</summary>
internal static partial class Native
{
    private const int SegmentationFault = 11;

    /// <summary>Writes to a descriptor past everything that .NET knows of.</summary>
    public static void Write(int descriptor, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        if (Write(descriptor, bytes, bytes.Length) != bytes.Length)
        {
            throw new IOException($"descriptor {descriptor} took less");
        }
    }

    [LibraryImport("libc", EntryPoint = "abort")]
    public static partial void Abort();

    /// <summary>Ends the process by SIGSEGV, whose handler is first put back to the system's.</summary>
    public static void Crash()
    {
        _ = Signal(SegmentationFault, 0);
        _ = Raise(SegmentationFault);
    }

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint Write(int descriptor, byte[] bytes, nint count);

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint Signal(int number, nint handler);

    [LibraryImport("libc", EntryPoint = "raise")]
    private static partial int Raise(int number);
}
