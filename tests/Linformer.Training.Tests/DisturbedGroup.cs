using Linformer.Training.ProcessGroups;
using TorchSharp;

namespace Linformer.Training.Tests;

/// <summary>A group in which this rank is lost, or gets something else than was sent, at a broadcast. Counts them from 1.</summary>
internal sealed class DisturbedGroup(IProcessGroup group) : IProcessGroup
{
    public int Broadcasts { get; private set; }

    /// <summary>The broadcast at which this rank cuts its connections, as one that is killed.</summary>
    public int LostAt { get; init; }

    /// <summary>The broadcast of which one bit is another here.</summary>
    public int DamagedAt { get; init; }

    public long Generation => group.Generation;

    public int Rank => group.Rank;

    public int WorldSize => group.WorldSize;

    public string Backend => group.Backend;

    public IWork AllReduce(torch.Tensor buffer, ReduceOperation operation = ReduceOperation.Sum, WireFormat wire = WireFormat.Full) =>
        group.AllReduce(buffer, operation, wire);

    public IWork ReduceScatter(torch.Tensor input, torch.Tensor output, ReduceOperation operation = ReduceOperation.Sum) =>
        group.ReduceScatter(input, output, operation);

    public IWork AllGather(torch.Tensor input, torch.Tensor output) => group.AllGather(input, output);

    public IWork Broadcast(torch.Tensor buffer, int root)
    {
        Broadcasts++;
        var work = group.Broadcast(buffer, root);
        if (Broadcasts == LostAt)
        {
            group.Abort(new InvalidOperationException("killed"));
        }

        return Broadcasts == DamagedAt ? new Damaging(work, buffer) : work;
    }

    public IWork Barrier() => group.Barrier();

    public void ThrowIfFailed() => group.ThrowIfFailed();

    public void Abort(Exception? reason = null) => group.Abort(reason);

    public void Dispose()
    {
    }

    private sealed class Damaging(IWork work, torch.Tensor buffer) : IWork
    {
        public bool IsCompleted => work.IsCompleted;

        public void Wait()
        {
            work.Wait();
            using var noGrad = torch.no_grad();
            using var first = buffer.narrow(0, buffer.numel() / 2, 1);
            if (buffer.dtype == torch.ScalarType.Float32)
            {
                var bits = BitConverter.SingleToInt32Bits(first.data<float>()[0]) ^ 1;
                first.fill_(BitConverter.Int32BitsToSingle(bits));
            }
            else
            {
                first.add_(1);
            }
        }
    }
}
