using TorchSharp;

namespace Linformer.Training.ProcessGroups;

/// <summary>How the elements of all ranks are combined.</summary>
public enum ReduceOperation
{
    /// <summary>Their sum.</summary>
    Sum = 0,

    /// <summary>The smallest; NaN if any is NaN, but over NCCL then either of the two.</summary>
    Min = 1,

    /// <summary>The largest; NaN if any is NaN, but over NCCL then either of the two.</summary>
    Max = 2,
}

/// <summary>
/// The ranks of one generation, as one of them sees them, and what they do together.
/// </summary>
/// <remarks>
/// <para>Collectives start in the order in which they are called, which must be the same on all
/// ranks, and run beside the caller until <see cref="IWork.Wait"/>. Call them from one thread. A
/// tensor that is in a collective must not be read or written before its work is completed; it is
/// kept alive until then.</para>
/// <para>Tensors are contiguous, on <see cref="Device"/>, of type float32, float64, int32 or int64, over NCCL also
/// bfloat16; others are an <see cref="ArgumentException"/>.</para>
/// <para>For one world size the result of a reduction has the same bits on all ranks. Over Gloo it has the same in every
/// run; NCCL promises that only as long as it chooses the same algorithm.</para>
/// <para>After a failure or <see cref="Abort"/> the group is of no more use: every later call throws
/// at once. Dispose it and make the next generation's.</para>
/// </remarks>
public interface IProcessGroup : IDisposable
{
    /// <summary>The generation of the job's membership that this group belongs to.</summary>
    long Generation { get; }

    /// <summary>This rank's number, from 0 to <see cref="WorldSize"/> - 1.</summary>
    int Rank { get; }

    /// <summary>The number of ranks.</summary>
    int WorldSize { get; }

    /// <summary>The name of what moves the bytes: <c>gloo</c>, <c>nccl</c>, <c>single</c>.</summary>
    string Backend { get; }

    /// <summary>Where the tensors of its collectives live.</summary>
    torch.Device Device => torch.CPU;

    /// <summary>Combines the buffers of all ranks, in place: each gets the result.</summary>
    /// <param name="buffer">Of the same size and type on all ranks.</param>
    /// <param name="operation">How elements are combined.</param>
    /// <param name="wire">
    /// As what they travel, the same on all ranks. NCCL, whose sums of bfloat16 round at every rank that they pass, has the result in
    /// the buffer once <see cref="IWork.Wait"/> has returned.
    /// </param>
    /// <exception cref="ArgumentException">
    /// The buffer's layout, device or type is not supported, or what is to travel as bfloat16 is no sum of float32.
    /// </exception>
    /// <exception cref="ProcessGroupException">The group has failed or was aborted.</exception>
    IWork AllReduce(torch.Tensor buffer, ReduceOperation operation = ReduceOperation.Sum, WireFormat wire = WireFormat.Full);

    /// <summary>Combines the inputs of all ranks and gives each rank its part of the result.</summary>
    /// <param name="input">As many equal parts as there are ranks, [worldSize · n] elements. Not changed.</param>
    /// <param name="output">
    /// [n] elements: the combination of part <see cref="Rank"/>. May be that part of the input.
    /// </param>
    /// <param name="operation">How elements are combined.</param>
    /// <exception cref="ArgumentException">
    /// A tensor's layout, device or type is not supported, or the sizes do not fit.
    /// </exception>
    /// <exception cref="ProcessGroupException">The group has failed or was aborted.</exception>
    IWork ReduceScatter(
        torch.Tensor input, torch.Tensor output, ReduceOperation operation = ReduceOperation.Sum);

    /// <summary>Gives every rank the inputs of all, in the order of ranks.</summary>
    /// <param name="input">[n] elements. May be part <see cref="Rank"/> of the output.</param>
    /// <param name="output">[worldSize · n] elements.</param>
    /// <exception cref="ArgumentException">
    /// A tensor's layout, device or type is not supported, or the sizes do not fit.
    /// </exception>
    /// <exception cref="ProcessGroupException">The group has failed or was aborted.</exception>
    IWork AllGather(torch.Tensor input, torch.Tensor output);

    /// <summary>Copies one rank's buffer to all others.</summary>
    /// <param name="buffer">Of the same size and type on all ranks.</param>
    /// <param name="root">The rank whose buffer is copied.</param>
    /// <exception cref="ArgumentException">
    /// The buffer's layout, device or type is not supported, or <paramref name="root"/> is not a rank.
    /// </exception>
    /// <exception cref="ProcessGroupException">The group has failed or was aborted.</exception>
    IWork Broadcast(torch.Tensor buffer, int root);

    /// <summary>Completes when all ranks have called it.</summary>
    /// <exception cref="ProcessGroupException">The group has failed or was aborted.</exception>
    IWork Barrier();

    /// <summary>Returns at once, unless the group is of no more use.</summary>
    /// <exception cref="ProcessGroupException">The group has failed or was aborted.</exception>
    void ThrowIfFailed();

    /// <summary>
    /// Ends every wait, rendezvous included, at once, with <see cref="ProcessGroupAbortedException"/>,
    /// and cuts the connections, so that the other ranks fail at once too. Callable from any thread,
    /// any number of times; the first reason counts.
    /// </summary>
    /// <param name="reason">Why: the inner exception of what the waits throw.</param>
    void Abort(Exception? reason = null);
}

/// <summary>A collective that was called and may still run.</summary>
public interface IWork
{
    /// <summary>Whether it has ended, well or not. Once true, the tensors may be used again.</summary>
    bool IsCompleted { get; }

    /// <summary>Waits until it has ended. May be called any number of times, from any thread.</summary>
    /// <exception cref="ProcessGroupAbortedException">The group was aborted.</exception>
    /// <exception cref="GpuFailedException">The GPU has failed: this process can use it no more.</exception>
    /// <exception cref="ProcessGroupException">
    /// It failed: a rank was lost, the time was over, or the ranks called different collectives.
    /// </exception>
    void Wait();
}
