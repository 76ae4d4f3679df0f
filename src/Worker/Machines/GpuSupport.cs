namespace Linformer.Worker.Machines;

/// <summary>Whether this build can compute on GPUs.</summary>
public static class GpuSupport
{
    /// <summary>What to say when it cannot.</summary>
    public const string Missing = "this build has no GPU support: ./linformer build --feed nuget --torch cuda makes one that has";

    // Only the CUDA package of TorchSharp brings it. Looking for the file loads nothing.
    private const string Library = "libtorch_cuda.so";

    private static readonly Lazy<bool> Found = new(() =>
        Directory.EnumerateFiles(AppContext.BaseDirectory, Library, SearchOption.AllDirectories).Any());

    /// <summary>Whether it can.</summary>
    public static bool IsBuiltIn => Found.Value;
}
