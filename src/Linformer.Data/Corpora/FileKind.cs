using System.Runtime.InteropServices;

namespace Linformer.Data.Corpora;

/// <summary>What a path leads to, without opening it.</summary>
internal static partial class FileKind
{
    /// <summary>A file with content on a disk.</summary>
    public const string Regular = "regular file";

    // Of linux/stat.h and linux/fcntl.h; struct statx is the same on every architecture.
    private const int CurrentFolder = -100;
    private const uint TypeMask = 1;
    private const int StatxBytes = 256;
    private const int ModeOffset = 28;
    private const int KindBits = 0xF000;

    /// <summary>The kind of file in words, symbolic links followed; null when the system does not say.</summary>
    /// <param name="path">The file.</param>
    public static string? Of(string path)
    {
        Span<byte> found = stackalloc byte[StatxBytes];
        if (Statx(CurrentFolder, path, 0, TypeMask, ref MemoryMarshal.GetReference(found)) != 0)
        {
            return null;
        }

        return (MemoryMarshal.Read<ushort>(found[ModeOffset..]) & KindBits) switch
        {
            0x8000 => Regular,
            0x4000 => "folder",
            0x1000 => "named pipe",
            0xC000 => "socket",
            0x2000 or 0x6000 => "device",
            _ => null,
        };
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, ref byte found);
}
