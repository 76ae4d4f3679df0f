using Linformer.Training.ProcessGroups;
using TorchSharp;

namespace Linformer.Worker.Ranks;

/// <summary>A group whose waits are known to the rank's pulse. Disposing of it leaves the group as it is.</summary>
/// <param name="group">The group.</param>
/// <param name="pulse">Told of the training thread's waits.</param>
internal sealed class ObservedGroup(IProcessGroup group, Pulse pulse) : IProcessGroup
{
    /// <summary>The group, for waits of other threads.</summary>
    public IProcessGroup Inner => group;

    public long Generation => group.Generation;

    public int Rank => group.Rank;

    public int WorldSize => group.WorldSize;

    public string Backend => group.Backend;

    public torch.Device Device => group.Device;

    public IWork AllReduce(torch.Tensor buffer, ReduceOperation operation = ReduceOperation.Sum, WireFormat wire = WireFormat.Full) =>
        Observe(group.AllReduce(buffer, operation, wire));

    public IWork ReduceScatter(torch.Tensor input, torch.Tensor output, ReduceOperation operation = ReduceOperation.Sum) =>
        Observe(group.ReduceScatter(input, output, operation));

    public IWork AllGather(torch.Tensor input, torch.Tensor output) => Observe(group.AllGather(input, output));

    public IWork Broadcast(torch.Tensor buffer, int root) => Observe(group.Broadcast(buffer, root));

    public IWork Barrier() => Observe(group.Barrier());

    public void ThrowIfFailed() => group.ThrowIfFailed();

    public void Abort(Exception? reason = null) => group.Abort(reason);

    public void Dispose()
    {
    }

    private ObservedWork Observe(IWork work) => new(work, pulse);

    private sealed class ObservedWork(IWork work, Pulse pulse) : IWork
    {
        public bool IsCompleted => work.IsCompleted;

        public void Wait() => pulse.Wait(work.Wait);
    }
}
