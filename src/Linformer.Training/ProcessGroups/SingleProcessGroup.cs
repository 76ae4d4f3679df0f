using TorchSharp;

namespace Linformer.Training.ProcessGroups;

/// <summary>A process group of one rank: nothing is sent, every operation is an identity.</summary>
/// <param name="generation">The generation that it belongs to.</param>
/// <param name="device">Where its tensors live; null for the CPU.</param>
public sealed class SingleProcessGroup(long generation = 0, torch.Device? device = null) : IProcessGroup
{
    private Exception? _reason;
    private volatile bool _aborted;
    private volatile bool _disposed;

    /// <inheritdoc/>
    public long Generation => generation;

    /// <inheritdoc/>
    public int Rank => 0;

    /// <inheritdoc/>
    public int WorldSize => 1;

    /// <inheritdoc/>
    public string Backend => "single";

    /// <inheritdoc/>
    public torch.Device Device { get; } = device ?? torch.CPU;

    /// <inheritdoc/>
    public IWork AllReduce(torch.Tensor buffer, ReduceOperation operation = ReduceOperation.Sum, WireFormat wire = WireFormat.Full)
    {
        WireFormats.Check(wire, buffer, operation);
        using var checkedBuffer = TensorBuffer.Of(buffer, nameof(buffer));
        return Done("all-reduce", checkedBuffer);
    }

    /// <inheritdoc/>
    public IWork ReduceScatter(
        torch.Tensor input, torch.Tensor output, ReduceOperation operation = ReduceOperation.Sum)
    {
        using var whole = TensorBuffer.Of(input, nameof(input));
        using var part = TensorBuffer.Of(output, nameof(output));
        TensorBuffer.CheckParts(whole, part, parts: 1, nameof(input), nameof(output));
        var work = Done("reduce-scatter", whole);
        Copy(input, output);
        return work;
    }

    /// <inheritdoc/>
    public IWork AllGather(torch.Tensor input, torch.Tensor output)
    {
        using var part = TensorBuffer.Of(input, nameof(input));
        using var whole = TensorBuffer.Of(output, nameof(output));
        TensorBuffer.CheckParts(whole, part, parts: 1, nameof(output), nameof(input));
        var work = Done("all-gather", whole);
        Copy(input, output);
        return work;
    }

    /// <inheritdoc/>
    public IWork Broadcast(torch.Tensor buffer, int root)
    {
        using var checkedBuffer = TensorBuffer.Of(buffer, nameof(buffer));
        return root == 0
            ? Done("broadcast", checkedBuffer)
            : throw new ArgumentOutOfRangeException(nameof(root), root, "root must be a rank: 0");
    }

    /// <inheritdoc/>
    public IWork Barrier() => Done("barrier", buffer: null);

    /// <inheritdoc/>
    public void ThrowIfFailed() => Done("use", buffer: null);

    /// <inheritdoc/>
    public void Abort(Exception? reason = null)
    {
        Interlocked.CompareExchange(ref _reason, reason, comparand: null);
        _aborted = true;
    }

    /// <inheritdoc/>
    public void Dispose() => _disposed = true;

    private static void Copy(torch.Tensor from, torch.Tensor to)
    {
        using var noGrad = torch.no_grad();
        using var source = from.view(-1);
        using var destination = to.view(-1);
        destination.copy_(source);
    }

    private CompletedWork Done(string name, TensorBuffer? buffer)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _aborted
            ? throw new ProcessGroupAbortedException(
                new ProcessGroupOperation(name, buffer?.Bytes ?? 0, Rank, WorldSize, Generation), _reason)
            : CompletedWork.Instance;
    }

    private sealed class CompletedWork : IWork
    {
        public static CompletedWork Instance { get; } = new();

        public bool IsCompleted => true;

        public void Wait()
        {
        }
    }
}
