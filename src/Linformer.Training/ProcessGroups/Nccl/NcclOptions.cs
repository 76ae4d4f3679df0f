using TorchSharp;

namespace Linformer.Training.ProcessGroups.Nccl;

/// <summary>How a <see cref="NcclProcessGroup"/> connects and how long it waits.</summary>
public sealed record NcclOptions
{
    /// <summary>
    /// How long each collective may take from when it starts to run until it is done. A rank that is
    /// stopped or unreachable is noticed after this time.
    /// </summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long it may take until all ranks are there and connected.</summary>
    public TimeSpan RendezvousTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The GPU's number in this process.</summary>
    public int Gpu { get; init; }

    /// <summary>Where the tensors live, as torch calls it; null for the GPU.</summary>
    public torch.Device? Device { get; init; }
}
