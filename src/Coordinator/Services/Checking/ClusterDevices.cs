using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Workers;
using Linformer.Protocol;

namespace Linformer.Coordinator.Services.Checking;

/// <summary>On which kind of device a job of this cluster computes: <c>cpu</c>, <c>cuda</c>, or empty where there is no worker to tell.</summary>
internal sealed class ClusterDevices
{
    private readonly IReadOnlyList<WorkerView> _workers;
    private readonly List<string> _kinds;

    /// <summary>Looks at the slots.</summary>
    /// <param name="workers">All workers.</param>
    public ClusterDevices(IReadOnlyList<WorkerView> workers)
    {
        _workers = workers;
        _kinds = [.. workers.SelectMany(worker => worker.Identity.Slots).Select(slot => slot.Device).Distinct(StringComparer.Ordinal)];
    }

    /// <summary>Where a new job computes: with <c>auto</c>, on GPUs if there are any.</summary>
    public string Of(JobFile job) => job.Device switch
    {
        DeviceKind.Cpu => "cpu",
        DeviceKind.Cuda => "cuda",
        _ => _kinds.Count == 0 ? "" : _kinds.Contains("cuda", StringComparer.Ordinal) ? "cuda" : "cpu",
    };

    /// <summary>Where a job has computed; null when it may have been on either.</summary>
    public string? Of(JobView view)
    {
        if (view.Device.Length > 0)
            return view.Device;
        var own = view.Placements
            .Select(place => _workers.FirstOrDefault(worker => worker.Identity.Name == place.Worker)?.Identity.Slots.FirstOrDefault(slot => slot.Number == place.Slot)?.Device)
            .FirstOrDefault(device => device is not null);
        return own ?? (_kinds.Count <= 1 ? _kinds.FirstOrDefault("") : null);
    }
}
