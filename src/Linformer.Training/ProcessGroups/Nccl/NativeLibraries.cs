using System.Reflection;
using System.Runtime.InteropServices;

namespace Linformer.Training.ProcessGroups.Nccl;

/// <summary>Finds the libraries of NVIDIA, which are no part of this product: by their usual names, or where the environment says.</summary>
internal static class NativeLibraries
{
    /// <summary>The name of NCCL in imports.</summary>
    public const string Nccl = "nccl";

    /// <summary>The name of the CUDA runtime in imports.</summary>
    public const string CudaRuntime = "cudart";

    private const string NcclVariable = "LINFORMER_NCCL_LIBRARY";
    private const string CudaRuntimeVariable = "LINFORMER_CUDART_LIBRARY";

    private static readonly Lazy<nint> NcclHandle = new(() => Load("NCCL", NcclVariable, "libnccl.so.2"));

    private static readonly Lazy<nint> CudaRuntimeHandle = new(() => Load(
        "the CUDA runtime", CudaRuntimeVariable, [.. Bundled("libcudart*.so*"), "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so"]));

    static NativeLibraries() => NativeLibrary.SetDllImportResolver(typeof(NativeLibraries).Assembly, Resolve);

    /// <summary>Loads both.</summary>
    /// <exception cref="NcclUnavailableException">One is missing.</exception>
    public static void Load()
    {
        _ = NcclHandle.Value;
        LoadCudaRuntime();
    }

    /// <summary>Loads the CUDA runtime.</summary>
    /// <exception cref="NcclUnavailableException">It is missing.</exception>
    public static void LoadCudaRuntime() => _ = CudaRuntimeHandle.Value;

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) => name switch
    {
        Nccl => NcclHandle.Value,
        CudaRuntime => CudaRuntimeHandle.Value,
        _ => 0,
    };

    // libtorch brings one under a name of its own, which fits the driver if libtorch does.
    private static IEnumerable<string> Bundled(string pattern) =>
        Directory.EnumerateFiles(AppContext.BaseDirectory, pattern, SearchOption.AllDirectories).Order(StringComparer.Ordinal);

    private static nint Load(string what, string variable, params string[] names)
    {
        var chosen = Environment.GetEnvironmentVariable(variable);
        if (!string.IsNullOrEmpty(chosen))
        {
            names = [chosen];
        }

        var reason = "";
        foreach (var name in names)
        {
            try
            {
                return NativeLibrary.Load(name);
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                reason = e.Message.Split('\n')[0].Trim();
            }
        }

        throw new NcclUnavailableException(
            $"{what} cannot be loaded: {string.Join(", ", names)}: {reason} Install it, add its folder to LD_LIBRARY_PATH, or name its file in {variable}.");
    }
}
