using Linformer.Protocol;

namespace Linformer.Worker.Machines;

/// <summary>What the slots of a worker are.</summary>
/// <param name="Count">How many there are.</param>
/// <param name="Gpus">The GPU of each; empty when they are shares of the CPU.</param>
/// <param name="Note">What the operator should know, such as of GPUs that are not used; empty for nothing.</param>
public sealed record MachineSlots(int Count, IReadOnlyList<Gpu> Gpus, string Note = "")
{
    /// <summary>Chooses the slots of this machine.</summary>
    /// <param name="device">What they should be; <see cref="DeviceKind.Auto"/> takes GPUs where there are any and this build can use them.</param>
    /// <param name="count">How many; null for one per GPU, or one of the CPU.</param>
    /// <exception cref="GpuException">GPUs are asked for and cannot be had.</exception>
    public static MachineSlots Choose(DeviceKind device, int? count) => Choose(device, count, GpuSupport.IsBuiltIn, Find);

    /// <summary>The same for any machine.</summary>
    /// <param name="device">What they should be.</param>
    /// <param name="count">How many; null for the default.</param>
    /// <param name="supported">Whether the build can use GPUs.</param>
    /// <param name="find">Finds the GPUs.</param>
    /// <exception cref="GpuException">GPUs are asked for and cannot be had.</exception>
    public static MachineSlots Choose(DeviceKind device, int? count, bool supported, Func<IReadOnlyList<Gpu>> find)
    {
        if (device == DeviceKind.Cuda)
        {
            return supported ? OfGpus(count, find()) : throw new GpuException($"GPUs are asked for; {GpuSupport.Missing}.");
        }

        var cpu = new MachineSlots(count ?? 1, []);
        if (device == DeviceKind.Cpu)
        {
            return cpu;
        }

        IReadOnlyList<Gpu> gpus;
        try
        {
            gpus = find();
        }
        catch (GpuException e)
        {
            // Most machines without a GPU have no driver. With this build it is worth a word.
            return supported ? cpu with { Note = $"The slots are shares of the CPU: {e.Message}" } : cpu;
        }

        return gpus.Count == 0 ? cpu
            : supported ? OfGpus(count, gpus)
            : cpu with { Note = $"This machine has {(gpus.Count == 1 ? "a GPU, which is" : $"{gpus.Count} GPUs, which are")} not used: {GpuSupport.Missing}." };
    }

    /// <summary>What a rank finds in each slot.</summary>
    /// <param name="processor">What the machine's processor can do.</param>
    public IReadOnlyList<SlotFacts> Facts(Processor processor)
    {
        ArgumentNullException.ThrowIfNull(processor);
        return Gpus.Count > 0
            ? [.. Gpus.Select(gpu => new SlotFacts(RankDevice.Cuda, gpu.Bfloat16, gpu.MemoryBytes))]
            : [.. Enumerable.Repeat(new SlotFacts(RankDevice.Cpu, processor.Bfloat16, processor.MemoryBytes / Math.Max(1, Count)), Count)];
    }

    private static MachineSlots OfGpus(int? count, IReadOnlyList<Gpu> gpus)
    {
        if (gpus.Count == 0)
        {
            throw new GpuException("There is no GPU that may be used. Check nvidia-smi and CUDA_VISIBLE_DEVICES.");
        }

        return count > gpus.Count
            ? throw new GpuException($"{count} ranks need a GPU each; this machine has {gpus.Count}.")
            : new MachineSlots(count ?? gpus.Count, [.. gpus.Take(count ?? gpus.Count)]);
    }

    private static IReadOnlyList<Gpu> Find()
    {
        using var nvml = Nvml.Open();
        return nvml.Gpus();
    }
}
