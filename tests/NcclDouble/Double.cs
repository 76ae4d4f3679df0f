using System.Runtime.InteropServices;

namespace Linformer.NcclDouble;

/// <summary>
/// A library that stands in for libnccl, the CUDA runtime and NVML: the same C ABIs, over host memory that processes share.
/// </summary>
public static unsafe partial class Double
{
    private const int MostText = 200;

    /// <summary>Its file.</summary>
    public static string Library { get; } = Path.Combine(AppContext.BaseDirectory, "libnccl_double.so");

    /// <summary>What makes a process that is started take it for the real ones.</summary>
    public static IReadOnlyDictionary<string, string> Variables { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["LINFORMER_NCCL_LIBRARY"] = Library,
        ["LINFORMER_CUDART_LIBRARY"] = Library,
        ["LINFORMER_NVML_LIBRARY"] = Library,
    };

    /// <summary>The collectives of this process that may still touch their tensors.</summary>
    public static int CollectivesInStreams => CollectivesNow();

    /// <summary>The events of this process that were not destroyed.</summary>
    public static int Events => EventsNow();

    /// <summary>Makes this process take it for the real ones. Before anything else loads those.</summary>
    public static void Use()
    {
        foreach (var (name, value) in Variables)
        {
            Environment.SetEnvironmentVariable(name, value);
        }
    }

    /// <summary>Undoes <see cref="Use"/> for what is loaded anew each time, as NVML is.</summary>
    public static void Leave()
    {
        foreach (var name in Variables.Keys)
        {
            Environment.SetEnvironmentVariable(name, null);
        }
    }

    /// <summary>Sets what the library reads from the environment when it is loaded (see settings.h), until the result is disposed.</summary>
    /// <param name="name">Such as <c>NCCL_DOUBLE_VERSION</c>.</param>
    /// <param name="value">Its value.</param>
    public static IDisposable With(string name, string value)
    {
        Set(name, value);
        return new Setting(name);
    }

    /// <summary>What was done since the last call which the real library answers by corrupting memory; empty for nothing.</summary>
    public static string Refused()
    {
        var text = stackalloc byte[MostText];
        TakeRefused(text, MostText);
        return Marshal.PtrToStringUTF8((nint)text)!;
    }

    /// <summary>Fills floats as a kernel would: on a stream (0 is the default one), a while after the call.</summary>
    public static void Fill(nint first, long count, float value, int milliseconds, nint stream = 0)
    {
        if (FillLater((float*)first, count, value, milliseconds, stream) != 0)
        {
            throw new ArgumentException("There is no such stream.", nameof(stream));
        }
    }

    [LibraryImport("nccl_double", EntryPoint = "nccl_double_set", StringMarshalling = StringMarshalling.Utf8)]
    private static partial void Set(string name, string? value);

    [LibraryImport("nccl_double", EntryPoint = "nccl_double_refused")]
    private static partial void TakeRefused(byte* text, int capacity);

    [LibraryImport("nccl_double", EntryPoint = "nccl_double_collectives_in_streams")]
    private static partial int CollectivesNow();

    [LibraryImport("nccl_double", EntryPoint = "nccl_double_events")]
    private static partial int EventsNow();

    [LibraryImport("nccl_double", EntryPoint = "nccl_double_fill")]
    private static partial int FillLater(float* first, long count, float value, int milliseconds, nint stream);

    private sealed class Setting(string name) : IDisposable
    {
        public void Dispose() => Set(name, value: null);
    }
}
