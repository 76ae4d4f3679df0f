using Linformer.Training.ProcessGroups;
using TorchSharp;

namespace Linformer.Training.Tests.Sharding;

/// <summary>How a rank meets the collective at which a generation breaks.</summary>
internal enum CutOff
{
    /// <summary>It gets through.</summary>
    None,

    /// <summary>It is killed before it calls it.</summary>
    KilledBefore,

    /// <summary>It is killed when the collective has succeeded.</summary>
    KilledAfter,

    /// <summary>It does not hear that the collective has succeeded.</summary>
    Deaf,
}

/// <summary>
/// A group that breaks at one collective, counted from 1, so that it is known who has got through it: ranks wait for each other behind it,
/// unless one of them is killed before.
/// </summary>
internal sealed class CutOffGroup(IProcessGroup group, int at, CutOff mine, Barrier? meeting, Action<int>? count = null) : IProcessGroup
{
    private int _calls;

    public long Generation => group.Generation;

    public int Rank => group.Rank;

    public int WorldSize => group.WorldSize;

    public string Backend => group.Backend;

    public IWork AllReduce(torch.Tensor buffer, ReduceOperation operation = ReduceOperation.Sum, WireFormat wire = WireFormat.Full) =>
        Call(() => group.AllReduce(buffer, operation, wire));

    public IWork ReduceScatter(torch.Tensor input, torch.Tensor output, ReduceOperation operation = ReduceOperation.Sum) =>
        Call(() => group.ReduceScatter(input, output, operation));

    public IWork AllGather(torch.Tensor input, torch.Tensor output) => Call(() => group.AllGather(input, output));

    public IWork Broadcast(torch.Tensor buffer, int root) => Call(() => group.Broadcast(buffer, root));

    public IWork Barrier() => Call(group.Barrier);

    public void ThrowIfFailed() => group.ThrowIfFailed();

    public void Abort(Exception? reason = null) => group.Abort(reason);

    public void Dispose()
    {
    }

    private IWork Call(Func<IWork> call)
    {
        count?.Invoke(++_calls);
        if (count is null)
        {
            _calls++;
        }

        if (_calls == at && mine == CutOff.KilledBefore)
        {
            group.Abort(new InvalidOperationException("killed"));
        }

        var work = call();
        return _calls == at ? new Last(work, this) : work;
    }

    private sealed class Last(IWork work, CutOffGroup owner) : IWork
    {
        private bool _met;

        public bool IsCompleted => work.IsCompleted;

        public void Wait()
        {
            work.Wait();
            if (!_met)
            {
                _met = true;
                owner.Meet();
            }
        }
    }

    private void Meet()
    {
        meeting?.SignalAndWait(TimeSpan.FromSeconds(120)).ShouldBeTrue("the others do not come");
        if (mine is CutOff.KilledAfter or CutOff.Deaf)
        {
            group.Abort(new InvalidOperationException(mine == CutOff.Deaf ? "cut off" : "killed"));
            group.ThrowIfFailed();
        }
    }
}
