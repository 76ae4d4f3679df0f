namespace Linformer.Protocol;

/// <summary>What a rank finds in a slot: as much of it as settings depend on.</summary>
/// <param name="Device"><c>cpu</c> or <c>cuda</c>.</param>
/// <param name="Bfloat16">Whether it multiplies matrices of bfloat16 in hardware.</param>
/// <param name="MemoryBytes">Memory that the rank may take, in bytes: the GPU's, or an even share of the machine's; 0 where it is not known.</param>
public sealed record SlotFacts(string Device, bool Bfloat16, long MemoryBytes = 0)
{
    /// <summary>Whether a job may run there.</summary>
    /// <param name="job">The job.</param>
    public bool Takes(JobFile job)
    {
        ArgumentNullException.ThrowIfNull(job);
        return job.Device switch
        {
            DeviceKind.Cpu => Device == "cpu",
            DeviceKind.Cuda => Device == "cuda",
            _ => true,
        };
    }
}
