using System.Runtime.InteropServices;
using System.Text;

namespace Linformer.Worker.Machines;

/// <summary>NVIDIA's management library, which comes with the driver: it tells of GPUs without using them.</summary>
public sealed unsafe class Nvml : IDisposable
{
    private const string Variable = "LINFORMER_NVML_LIBRARY";
    private const string UsualName = "libnvidia-ml.so.1";

    // NVML_DEVICE_UUID_V2_BUFFER_SIZE and NVML_DEVICE_NAME_V2_BUFFER_SIZE.
    private const int TextBytes = 96;

    // Of compute capability 8.0 and more, the tensor cores take bfloat16.
    private const int FirstWithBfloat16 = 8;

    // NVML_TEMPERATURE_GPU
    private const int GpuSensor = 0;

    // NVML_ERROR_NOT_SUPPORTED and NVML_ERROR_NO_PERMISSION
    private const int NotSupported = 3;
    private const int NoPermission = 4;

    private readonly nint _library;
    private readonly delegate* unmanaged[Cdecl]<int> _shutdown;
    private readonly delegate* unmanaged[Cdecl]<int, byte*> _errorString;
    private readonly delegate* unmanaged[Cdecl]<out uint, int> _count;
    private readonly delegate* unmanaged[Cdecl]<uint, out nint, int> _handle;
    private readonly delegate* unmanaged[Cdecl]<nint, byte*, uint, int> _uuid;
    private readonly delegate* unmanaged[Cdecl]<nint, byte*, uint, int> _name;
    private readonly delegate* unmanaged[Cdecl]<nint, out Memory, int> _memory;
    private readonly delegate* unmanaged[Cdecl]<nint, out int, out int, int> _capability;
    private readonly delegate* unmanaged[Cdecl]<nint, int, out uint, int> _temperature;
    private readonly delegate* unmanaged[Cdecl]<nint, out Utilization, int> _utilization;

    private Nvml(nint library)
    {
        _library = library;
        var init = (delegate* unmanaged[Cdecl]<int>)Export("nvmlInit_v2");
        _shutdown = (delegate* unmanaged[Cdecl]<int>)Export("nvmlShutdown");
        _errorString = (delegate* unmanaged[Cdecl]<int, byte*>)Export("nvmlErrorString");
        _count = (delegate* unmanaged[Cdecl]<out uint, int>)Export("nvmlDeviceGetCount_v2");
        _handle = (delegate* unmanaged[Cdecl]<uint, out nint, int>)Export("nvmlDeviceGetHandleByIndex_v2");
        _uuid = (delegate* unmanaged[Cdecl]<nint, byte*, uint, int>)Export("nvmlDeviceGetUUID");
        _name = (delegate* unmanaged[Cdecl]<nint, byte*, uint, int>)Export("nvmlDeviceGetName");
        _memory = (delegate* unmanaged[Cdecl]<nint, out Memory, int>)Export("nvmlDeviceGetMemoryInfo");
        _capability = (delegate* unmanaged[Cdecl]<nint, out int, out int, int>)Export("nvmlDeviceGetCudaComputeCapability");
        _temperature = (delegate* unmanaged[Cdecl]<nint, int, out uint, int>)Export("nvmlDeviceGetTemperature");
        _utilization = (delegate* unmanaged[Cdecl]<nint, out Utilization, int>)Export("nvmlDeviceGetUtilizationRates");
        Check(init(), "nvmlInit_v2");
    }

    /// <summary>Whether there is a driver on this machine, or somebody says so: if not, that the library is missing is no mistake.</summary>
    public static bool IsExpected =>
        !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(Variable)) || NativeLibrary.TryLoad(UsualName, out _);

    /// <summary>The driver's version, such as <c>550.54.15</c>; null where the library does not tell.</summary>
    public string? DriverVersion
    {
        get
        {
            if (!NativeLibrary.TryGetExport(_library, "nvmlSystemGetDriverVersion", out var address))
            {
                return null;
            }

            var bytes = stackalloc byte[TextBytes];
            return ((delegate* unmanaged[Cdecl]<byte*, uint, int>)address)(bytes, TextBytes) == 0 ? TextOf(bytes) : null;
        }
    }

    /// <summary>Loads the library.</summary>
    /// <exception cref="GpuException">It is missing, or does not work.</exception>
    public static Nvml Open()
    {
        var chosen = Environment.GetEnvironmentVariable(Variable);
        var name = string.IsNullOrEmpty(chosen) ? UsualName : chosen;
        nint library;
        try
        {
            library = NativeLibrary.Load(name);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            throw new GpuException(
                $"NVML cannot be loaded: {e.Message.Split('\n')[0].Trim()} It comes with NVIDIA's driver; in a container, the container's runtime adds it. {Variable} can name its file.");
        }

        try
        {
            return new Nvml(library);
        }
        catch
        {
            NativeLibrary.Free(library);
            throw;
        }
    }

    /// <summary>The GPUs of this machine that processes started from here may use: those that CUDA_VISIBLE_DEVICES names, in its order; without it, all.</summary>
    /// <exception cref="GpuException">The library does not answer.</exception>
    public IReadOnlyList<Gpu> Gpus()
    {
        Check(_count(out var count), "nvmlDeviceGetCount_v2");
        var all = new List<Gpu>();
        for (var index = 0u; index < count; index++)
        {
            var opened = _handle(index, out var device);
            if (opened == NoPermission)
            {
                // In a container, those of others are counted, too.
                continue;
            }

            Check(opened, "nvmlDeviceGetHandleByIndex_v2");
            Check(TryMemory(device, out var memory), "nvmlDeviceGetMemoryInfo");
            var bfloat16 = _capability(device, out var major, out _) == 0 && major >= FirstWithBfloat16;
            all.Add(new Gpu(Text(_uuid, device, "nvmlDeviceGetUUID"), Text(_name, device, "nvmlDeviceGetName"), (long)memory.Total, bfloat16));
        }

        return VisibleDevices.Of(all, Environment.GetEnvironmentVariable(VisibleDevices.Variable));
    }

    /// <summary>How a GPU is doing; null when it does not answer, as one that has failed.</summary>
    /// <param name="uuid">The GPU.</param>
    public GpuReading? Read(string uuid)
    {
        if (_count(out var count) != 0)
        {
            return null;
        }

        for (var index = 0u; index < count; index++)
        {
            if (_handle(index, out var device) == 0 && TryText(_uuid, device, out var own) == 0 && own == uuid)
            {
                return TryMemory(device, out var memory) != 0
                    ? null
                    : new GpuReading(
                        (long)memory.Used,
                        _temperature(device, GpuSensor, out var degrees) == 0 ? (int)degrees : 0,
                        _utilization(device, out var utilization) == 0 ? (int)utilization.Gpu : 0);
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The library stays loaded: others may have opened it, too.
        _ = _shutdown();
    }

    private void* Export(string name) =>
        NativeLibrary.TryGetExport(_library, name, out var address)
            ? (void*)address
            : throw new GpuException($"NVML lacks {name}: NVIDIA's driver is too old.");

    private string Text(delegate* unmanaged[Cdecl]<nint, byte*, uint, int> get, nint device, string function)
    {
        Check(TryText(get, device, out var text), function);
        return text;
    }

    private static int TryText(delegate* unmanaged[Cdecl]<nint, byte*, uint, int> get, nint device, out string text)
    {
        var bytes = stackalloc byte[TextBytes];
        var result = get(device, bytes, TextBytes);
        text = result == 0 ? TextOf(bytes) : "";
        return result;
    }

    private static string TextOf(byte* bytes)
    {
        var all = new ReadOnlySpan<byte>(bytes, TextBytes);
        var end = all.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? all : all[..end]);
    }

    // GPUs that share the machine's memory have none of their own.
    private int TryMemory(nint device, out Memory memory)
    {
        var result = _memory(device, out memory);
        if (result != NotSupported)
        {
            return result;
        }

        memory = default;
        return 0;
    }

    private void Check(int result, string function)
    {
        if (result != 0)
        {
            throw new GpuException($"{function}: {Marshal.PtrToStringUTF8((nint)_errorString(result))} (NVML {result}). Check the driver with nvidia-smi.");
        }
    }

    // nvmlMemory_t
    private readonly record struct Memory(ulong Total, ulong Free, ulong Used);

    // nvmlUtilization_t
    private readonly record struct Utilization(uint Gpu, uint OfMemory);
}
