using TorchSharp;

namespace Linformer.Training.ProcessGroups;

/// <summary>
/// A process group whose operations run one after the other on a communication thread: what is the same for every
/// library that moves the bytes. The rendezvous is the first operation, so the first collectives wait for it.
/// </summary>
public abstract class QueuedProcessGroup : IProcessGroup
{
    private readonly CancellationTokenSource _aborted = new();
    private readonly Lock _ending = new();
    private CommunicationThread? _communication;
    private bool _disposed;

    private protected QueuedProcessGroup(int rank, int worldSize, long generation, TimeSpan timeout, TimeSpan rendezvousTimeout)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(worldSize, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rank, worldSize);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(timeout, TimeSpan.Zero, "Timeout");
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(rendezvousTimeout, TimeSpan.Zero, "RendezvousTimeout");
        (Rank, WorldSize, Generation) = (rank, worldSize, generation);
        (Timeout, RendezvousTimeout) = (timeout, rendezvousTimeout);
    }

    /// <inheritdoc/>
    public long Generation { get; }

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int WorldSize { get; }

    /// <inheritdoc/>
    public abstract string Backend { get; }

    /// <inheritdoc/>
    public virtual torch.Device Device => torch.CPU;

    /// <summary>Completes when this rank is connected with all others.</summary>
    public IWork Connected { get; private set; } = null!;

    private protected TimeSpan Timeout { get; }

    private protected TimeSpan RendezvousTimeout { get; }

    /// <summary>Is cancelled when the group is aborted.</summary>
    private protected CancellationToken Aborted => _aborted.Token;

    /// <inheritdoc/>
    public IWork AllReduce(torch.Tensor buffer, ReduceOperation operation = ReduceOperation.Sum, WireFormat wire = WireFormat.Full)
    {
        CheckReduction(operation);
        WireFormats.Check(wire, buffer, operation);
        return wire == WireFormat.BFloat16 && WorldSize > 1
            ? StartRounded(buffer)
            : Start("all-reduce", buffer, nameof(buffer), held => RunAllReduce(held, operation));
    }

    /// <inheritdoc/>
    public IWork ReduceScatter(
        torch.Tensor input, torch.Tensor output, ReduceOperation operation = ReduceOperation.Sum)
    {
        CheckReduction(operation);
        return Start(
            "reduce-scatter", whole: input, nameof(input), part: output, nameof(output),
            (whole, part) => RunReduceScatter(whole, part, operation));
    }

    /// <inheritdoc/>
    public IWork AllGather(torch.Tensor input, torch.Tensor output)
        => Start(
            "all-gather", whole: output, nameof(output), part: input, nameof(input),
            (whole, part) => RunAllGather(part, whole));

    /// <inheritdoc/>
    public IWork Broadcast(torch.Tensor buffer, int root)
    {
        if (root < 0 || root >= WorldSize)
        {
            throw new ArgumentOutOfRangeException(nameof(root), root, $"root must be a rank: 0 to {WorldSize - 1}");
        }

        return Start("broadcast", buffer, nameof(buffer), held => RunBroadcast(held, root));
    }

    /// <inheritdoc/>
    public IWork Barrier()
    {
        var operation = Operation("barrier");
        ThrowIfUnusable(operation);
        return Enqueue(operation, RunBarrier);
    }

    /// <inheritdoc/>
    public void ThrowIfFailed() => ThrowIfUnusable(Operation("use"));

    /// <inheritdoc/>
    public void Abort(Exception? reason = null)
    {
        lock (_ending)
        {
            if (!_disposed)
            {
                End(reason);
            }
        }
    }

    /// <summary>
    /// Closes the connections and frees all. Operations that have not ended are aborted; the others'
    /// results stay valid on all ranks.
    /// </summary>
    public void Dispose()
    {
        lock (_ending)
        {
            if (_disposed)
            {
                return;
            }

            if (_communication!.IsBusy)
            {
                End(new ObjectDisposedException(GetType().Name));
            }

            _disposed = true;
        }

        _communication.Dispose();
        _aborted.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Starts the communication thread and, on it, the rendezvous: the last thing that a constructor does.</summary>
    private protected void Begin(Action rendezvous)
    {
        _communication = new CommunicationThread($"{Backend} {Rank}/{WorldSize} g{Generation}", Close);
        Connected = _communication.Start(Operation("rendezvous"), rendezvous);
    }

    /// <summary>Takes hold of a tensor, or refuses it with an <see cref="ArgumentException"/>.</summary>
    private protected abstract TensorBuffer Hold(torch.Tensor tensor, string name);

    /// <summary>
    /// Called on the caller's thread when an operation is queued; what it gives runs before the operation, on the communication
    /// thread, and is disposed when the operation has ended, whether it ran or not.
    /// </summary>
    private protected virtual (Action Run, IDisposable Held)? Prepare(ProcessGroupOperation operation) => null;

    private protected abstract void RunAllReduce(TensorBuffer buffer, ReduceOperation operation);

    /// <summary>Sums float32 buffers that travel as bfloat16.</summary>
    private protected abstract IWork StartRounded(torch.Tensor buffer);

    private protected abstract void RunReduceScatter(TensorBuffer input, TensorBuffer output, ReduceOperation operation);

    private protected abstract void RunAllGather(TensorBuffer input, TensorBuffer output);

    private protected abstract void RunBroadcast(TensorBuffer buffer, int root);

    private protected abstract void RunBarrier();

    /// <summary>Ends what runs, at once, and cuts the connections. From any thread, any number of times.</summary>
    private protected abstract void Interrupt();

    /// <summary>Frees all, as the last thing that the communication thread does; throws nothing.</summary>
    private protected abstract void Close();

    private protected IWork Start(ProcessGroupOperation operation, Action body, params TensorBuffer[] buffers)
    {
        try
        {
            ThrowIfUnusable(operation);
            return Enqueue(operation, body, buffers);
        }
        catch
        {
            Array.ForEach(buffers, buffer => buffer.Dispose());
            throw;
        }
    }

    private protected ProcessGroupOperation Operation(string name, long bytes = 0)
        => new(name, bytes, Rank, WorldSize, Generation);

    private protected static void CheckReduction(ReduceOperation operation)
    {
        if (!Enum.IsDefined(operation))
        {
            throw new ArgumentOutOfRangeException(nameof(operation), operation, "operation must be Sum, Min or Max");
        }
    }

    private protected IWork Start(string name, torch.Tensor tensor, string tensorName, Action<TensorBuffer> body)
    {
        var buffer = Hold(tensor, tensorName);
        return Start(Operation(name, buffer.Bytes), () => body(buffer), buffer);
    }

    private IWork Start(
        string name,
        torch.Tensor whole,
        string wholeName,
        torch.Tensor part,
        string partName,
        Action<TensorBuffer, TensorBuffer> body)
    {
        var wholeBuffer = Hold(whole, wholeName);
        TensorBuffer? partBuffer = null;
        try
        {
            partBuffer = Hold(part, partName);
            TensorBuffer.CheckParts(wholeBuffer, partBuffer, WorldSize, wholeName, partName);
        }
        catch
        {
            wholeBuffer.Dispose();
            partBuffer?.Dispose();
            throw;
        }

        return Start(Operation(name, wholeBuffer.Bytes), () => body(wholeBuffer, partBuffer), wholeBuffer, partBuffer);
    }

    private IWork Enqueue(ProcessGroupOperation operation, Action body, params TensorBuffer[] buffers)
    {
        if (Prepare(operation) is not var (prepare, prepared))
        {
            return _communication!.Start(operation, body, buffers);
        }

        return _communication!.Start(
            operation,
            () =>
            {
                prepare();
                body();
            },
            [.. buffers, prepared]);
    }

    // Under the lock: nobody disposes meanwhile.
    private void End(Exception? reason)
    {
        _communication!.Fail(Failure.Abort(reason));
        _aborted.Cancel();
        Interrupt();
    }

    private void ThrowIfUnusable(ProcessGroupOperation operation)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed), this);
        if (_communication!.Failure is { } failure)
        {
            throw failure.ToException(operation);
        }
    }
}
