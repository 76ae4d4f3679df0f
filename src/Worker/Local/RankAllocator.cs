namespace Linformer.Worker.Local;

/// <summary>
/// The memory allocator of ranks: jemalloc, where the machine has it. A step takes and returns the same large blocks
/// again and again; glibc gives them back to the system in between, and the page faults cost more than the arithmetic
/// that fills them, or it keeps them in pieces, and the process grows.
/// </summary>
public static class RankAllocator
{
    /// <summary>jemalloc's settings: blocks of any size are kept for the next step, on huge pages.</summary>
    public const string Settings = "oversize_threshold:0,thp:always,dirty_decay_ms:30000,muzzy_decay_ms:0";

    private static readonly string? Library = Directory
        .EnumerateDirectories("/usr/lib")
        .Append("/usr/lib").Append("/usr/lib64")
        .Select(folder => Path.Combine(folder, "libjemalloc.so.2"))
        .FirstOrDefault(File.Exists);

    /// <summary>Sets the variables by which a process gets the allocator, unless the person who runs this has set them.</summary>
    /// <param name="environment">The variables of a process that is about to start.</param>
    /// <param name="preload">A library to load instead; null for the machine's jemalloc, if it has one.</param>
    public static void Set(IDictionary<string, string?> environment, string? preload)
    {
        if (preload is not null)
        {
            environment["LD_PRELOAD"] = preload;
        }
        else if (Library is not null && !environment.ContainsKey("LD_PRELOAD"))
        {
            environment["LD_PRELOAD"] = Library;
            environment.TryAdd("MALLOC_CONF", Settings);
        }
    }
}
