using Linformer.Training.ProcessGroups.Nccl;
using Linformer.Worker.Machines;

namespace Linformer.Cli.Doctor.Machine;

/// <summary>A library of NVIDIA.</summary>
/// <param name="Version">Its version; null where it does not tell.</param>
/// <param name="Error">Why it cannot be used; null if it can.</param>
internal sealed record GpuLibrary(string? Version = null, string? Error = null);

/// <summary>What NVIDIA's libraries say.</summary>
/// <param name="Driver">NVML, with the driver's version; null where there is no driver.</param>
/// <param name="Gpus">The names of the GPUs that a worker would offer, and which of them have no hardware for bf16.</param>
/// <param name="Runtime">The CUDA runtime.</param>
/// <param name="Nccl">NCCL, and whether a rank can use it.</param>
internal sealed record GpuFacts(GpuLibrary? Driver, IReadOnlyList<string> Gpus, GpuLibrary Runtime, GpuLibrary Nccl);

/// <summary>Asks NVIDIA's libraries what workers and ranks ask them, in the same way.</summary>
internal static class GpuProbe
{
    /// <summary>Tries them, in this process.</summary>
    public static GpuFacts Run()
    {
        List<string> gpus = [];
        return new GpuFacts(
            Nvml.IsExpected ? Try(() => Driver(gpus)) : null,
            gpus,
            Try(NcclProcessGroup.CudaRuntimeVersion),
            Try(() => NcclProcessGroup.CheckAvailable()));
    }

    private static string? Driver(List<string> gpus)
    {
        using var nvml = Nvml.Open();
        gpus.AddRange(nvml.Gpus().Select(gpu => gpu.Bfloat16 ? gpu.Name : $"{gpu.Name} (no bf16)"));
        return nvml.DriverVersion;
    }

    private static GpuLibrary Try(Func<string?> ask)
    {
        try
        {
            return new GpuLibrary(ask());
        }
        catch (Exception error) when (error is GpuException or NcclUnavailableException or EntryPointNotFoundException)
        {
            return new GpuLibrary(Error: error.Message);
        }
    }
}
