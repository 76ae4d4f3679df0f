using Linformer.Training.ProcessGroups;
using TorchSharp;

namespace Linformer.Training.Tests.Trainers;

/// <summary>A group that writes down what is reduced, and can be lost at one of the reductions.</summary>
internal sealed class RecordingGroup(IProcessGroup group, Action<string> write) : IProcessGroup
{
    private int _reductions;

    /// <summary>The all-reduce, from 1, at which this rank cuts its connections, as one that is killed.</summary>
    public int LostAt { get; init; }

    public bool Aborted { get; private set; }

    public long Generation => group.Generation;

    public int Rank => group.Rank;

    public int WorldSize => group.WorldSize;

    public string Backend => group.Backend;

    public IWork AllReduce(torch.Tensor buffer, ReduceOperation operation = ReduceOperation.Sum, WireFormat wire = WireFormat.Full)
    {
        write($"reduce {buffer.numel()} {wire}");
        if (++_reductions == LostAt)
        {
            group.Abort(new InvalidOperationException("killed"));
        }

        return group.AllReduce(buffer, operation, wire);
    }

    public IWork ReduceScatter(torch.Tensor input, torch.Tensor output, ReduceOperation operation = ReduceOperation.Sum) =>
        group.ReduceScatter(input, output, operation);

    public IWork AllGather(torch.Tensor input, torch.Tensor output) => group.AllGather(input, output);

    public IWork Broadcast(torch.Tensor buffer, int root) => group.Broadcast(buffer, root);

    public IWork Barrier() => group.Barrier();

    public void ThrowIfFailed() => group.ThrowIfFailed();

    public void Abort(Exception? reason = null)
    {
        Aborted = true;
        group.Abort(reason);
    }

    public void Dispose()
    {
    }
}
