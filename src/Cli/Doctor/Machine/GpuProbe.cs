using System.Runtime.InteropServices;
using System.Text;

namespace Linformer.Cli.Doctor.Machine;

/// <summary>A library of NVIDIA.</summary>
/// <param name="Found">Whether it could be loaded.</param>
/// <param name="Version">Its version; null where it does not tell.</param>
/// <param name="Error">Why it cannot be used; null if it can.</param>
internal sealed record GpuLibrary(bool Found, string? Version = null, string? Error = null);

/// <summary>What NVIDIA's libraries say.</summary>
/// <param name="Driver">NVML, with the driver's version.</param>
/// <param name="Gpus">The GPUs' names.</param>
/// <param name="Runtime">The CUDA runtime.</param>
/// <param name="Nccl">NCCL.</param>
internal sealed record GpuFacts(GpuLibrary Driver, IReadOnlyList<string> Gpus, GpuLibrary Runtime, GpuLibrary Nccl);

/// <summary>Loads NVIDIA's libraries, where they are, and asks for versions.</summary>
internal static class GpuProbe
{
    private const int NameLength = 96;

    private delegate int NoArguments();

    private delegate int OneInt(out int value);

    private delegate int DriverVersion(byte[] version, uint length);

    private delegate int DeviceByIndex(uint index, out nint device);

    private delegate int DeviceName(nint device, byte[] name, uint length);

    /// <summary>Tries them, in this process.</summary>
    public static GpuFacts Run()
    {
        var gpus = new List<string>();
        var driver = Try(["libnvidia-ml.so.1"], "LINFORMER_NVML_LIBRARY", library => Driver(library, gpus));
        var runtime = Try(["libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so"], "LINFORMER_CUDART_LIBRARY", library =>
        {
            Check(Get<OneInt>(library, "cudaRuntimeGetVersion")(out var version), "cudaRuntimeGetVersion");
            return $"{version / 1000}.{version % 1000 / 10}";
        });
        var nccl = Try(["libnccl.so.2"], "LINFORMER_NCCL_LIBRARY", library =>
        {
            Check(Get<OneInt>(library, "ncclGetVersion")(out var version), "ncclGetVersion");
            // From 2.9 on MMmmpp, before that Mmpp.
            return version >= 10_000 ? $"{version / 10_000}.{version % 10_000 / 100}.{version % 100}" : $"{version / 1000}.{version % 1000 / 100}.{version % 100}";
        });
        return new GpuFacts(driver, gpus, runtime, nccl);
    }

    // Empty where the library does not tell it.
    private static string Driver(nint library, List<string> gpus)
    {
        Check(Get<NoArguments>(library, "nvmlInit_v2")(), "nvmlInit");
        var version = new byte[NameLength];
        if (NativeLibrary.TryGetExport(library, "nvmlSystemGetDriverVersion", out var export))
            Check(Marshal.GetDelegateForFunctionPointer<DriverVersion>(export)(version, (uint)version.Length), "nvmlSystemGetDriverVersion");
        Check(Get<OneInt>(library, "nvmlDeviceGetCount_v2")(out var count), "nvmlDeviceGetCount");
        for (var index = 0u; index < count; index++)
        {
            Check(Get<DeviceByIndex>(library, "nvmlDeviceGetHandleByIndex_v2")(index, out var device), $"nvmlDeviceGetHandleByIndex({index})");
            var name = new byte[NameLength];
            Check(Get<DeviceName>(library, "nvmlDeviceGetName")(device, name, (uint)name.Length), $"nvmlDeviceGetName({index})");
            gpus.Add(Text(name));
        }

        return Text(version);
    }

    private static GpuLibrary Try(string[] names, string variable, Func<nint, string> ask)
    {
        if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } given)
            names = [given];
        var library = nint.Zero;
        // The package of TorchSharp for CUDA brings its own beside this program.
        var found = Array.Exists(names, name => NativeLibrary.TryLoad(name, out library) || NativeLibrary.TryLoad(Path.Combine(AppContext.BaseDirectory, name), out library));
        if (!found)
            return new GpuLibrary(false, Error: File.Exists(names[0]) ? $"{names[0]} cannot be loaded" : null);
        try
        {
            return new GpuLibrary(true, ask(library));
        }
        catch (Exception error) when (error is CommandException or EntryPointNotFoundException)
        {
            return new GpuLibrary(true, Error: error.Message);
        }
    }

    private static T Get<T>(nint library, string name)
        where T : Delegate => Marshal.GetDelegateForFunctionPointer<T>(NativeLibrary.GetExport(library, name));

    private static void Check(int result, string call)
    {
        if (result != 0)
            throw new CommandException($"{call} answers with error {result}");
    }

    private static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes, 0, Math.Max(0, Array.IndexOf(bytes, (byte)0)));
}
