using Linformer.Training.ProcessGroups;
using TorchSharp;

namespace Linformer.Training.Tests.Trainers;

/// <summary>One of several ranks of which the others never add anything: shows what this one does by itself.</summary>
internal sealed class FakeGroup(int rank, int worldSize) : IProcessGroup
{
    private readonly SingleProcessGroup _single = new();

    /// <summary>Thrown by the next collective.</summary>
    public Exception? Failure { get; set; }

    /// <summary>Called by each all-reduce.</summary>
    public Action Reducing { get; set; } = () => { };

    public long Generation => 0;

    public int Rank => rank;

    public int WorldSize => worldSize;

    public string Backend => "fake";

    public IWork AllReduce(torch.Tensor buffer, ReduceOperation operation = ReduceOperation.Sum, WireFormat wire = WireFormat.Full)
    {
        Reducing();
        return Failure is { } failure ? throw failure : _single.AllReduce(buffer, operation, wire);
    }

    public IWork ReduceScatter(torch.Tensor input, torch.Tensor output, ReduceOperation operation = ReduceOperation.Sum) =>
        throw new NotSupportedException();

    public IWork AllGather(torch.Tensor input, torch.Tensor output) => throw new NotSupportedException();

    public IWork Broadcast(torch.Tensor buffer, int root) => throw new NotSupportedException();

    public IWork Barrier() => throw new NotSupportedException();

    public void ThrowIfFailed() => _single.ThrowIfFailed();

    public void Abort(Exception? reason = null) => _single.Abort(reason);

    public void Dispose() => _single.Dispose();
}
