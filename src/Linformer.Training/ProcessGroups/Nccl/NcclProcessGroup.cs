using System.Buffers.Binary;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Linformer.Training.ProcessGroups.Nccl;

/// <summary>A process group over NCCL, for tensors in the memory of a GPU.</summary>
/// <remarks>
/// <para>The constructor returns at once; the rendezvous runs on the group's communication thread,
/// and the first collectives wait for it. <see cref="QueuedProcessGroup.Connected"/> tells how it went.
/// Rank 0 publishes NCCL's unique id in the store; NCCL chooses addresses itself (NCCL_SOCKET_IFNAME).</para>
/// <para>Collectives run on a stream of their own. Each starts when the GPU has done what the caller's
/// thread had given it before the call; once its work is completed, the GPU has done it.</para>
/// <para>NCCL notices a lost rank only where a connection over the network breaks. One that is lost
/// behind NVLink or shared memory is noticed at the timeout, or when <see cref="QueuedProcessGroup.Abort"/>
/// is called because somebody else knows. It cannot tell when ranks call different collectives or
/// sizes: they hang or give wrong values. Min and Max may drop NaN.</para>
/// </remarks>
public sealed class NcclProcessGroup : QueuedProcessGroup
{
    private const int IdBytes = sizeof(int) + NcclUniqueId.Length;

    private readonly int _gpu;
    private readonly torch.Tensor _ticket;
    private readonly CudaStream _stream;
    private readonly NcclCommunicator _communicator;

    /// <summary>Starts to meet the other ranks.</summary>
    /// <param name="rank">This rank's number, from 0 to <paramref name="worldSize"/> - 1.</param>
    /// <param name="worldSize">The number of ranks.</param>
    /// <param name="generation">The generation of the job's membership; the same on all ranks.</param>
    /// <param name="store">Where the ranks meet; the same for all ranks. Not disposed.</param>
    /// <param name="options">The GPU, and how long to wait; null for the defaults: GPU 0, 30 s.</param>
    /// <exception cref="ArgumentException">A number is out of range.</exception>
    /// <exception cref="NcclUnavailableException">A library is missing or too old, or there is no such GPU.</exception>
    public NcclProcessGroup(
        int rank, int worldSize, long generation, IRendezvousStore store, NcclOptions? options = null)
        : this(rank, worldSize, generation, options ?? new NcclOptions())
    {
        ArgumentNullException.ThrowIfNull(store);
        Begin(() => Rendezvous(store));
    }

    private NcclProcessGroup(int rank, int worldSize, long generation, NcclOptions options)
        : base(rank, worldSize, generation, options.Timeout, options.RendezvousTimeout)
    {
        CheckAvailable(options.Gpu);
        _gpu = options.Gpu;
        Device = options.Device ?? new torch.Device(DeviceType.CUDA, _gpu);
        try
        {
            _stream = new CudaStream(_gpu);
        }
        catch (CudaException e)
        {
            throw new NcclUnavailableException($"GPU {_gpu} cannot be used: {e.Message}", e);
        }

        _ticket = torch.zeros([1], dtype: torch.ScalarType.Int32, device: Device).DetachFromDisposeScope();
        _communicator = new NcclCommunicator(_stream);
    }

    /// <inheritdoc/>
    public override string Backend => "nccl";

    /// <inheritdoc/>
    public override torch.Device Device { get; }

    /// <summary>Finds out whether this process can make such a group.</summary>
    /// <param name="gpu">The GPU's number in this process.</param>
    /// <returns>The version of NCCL, such as <c>2.18.3</c>.</returns>
    /// <exception cref="NcclUnavailableException">It cannot; the message says why and how to mend it.</exception>
    public static string CheckAvailable(int gpu = 0)
    {
        NativeLibraries.Load();
        var version = LibraryVersion();
        var error = CudaMethods.GetDeviceCount(out var count);
        if (error != 0)
        {
            throw new NcclUnavailableException(
                $"no GPU can be used: {CudaMethods.Describe(error)}. Check the driver with nvidia-smi, and {VisibleDevices()}.");
        }

        return gpu >= 0 && gpu < count
            ? NcclVersion.Text(version)
            : throw new NcclUnavailableException($"there is no GPU {gpu}: this process sees {count}. Check {VisibleDevices()}.");
    }

    /// <summary>The version of the CUDA runtime, such as <c>12.4</c>.</summary>
    /// <exception cref="NcclUnavailableException">It cannot be loaded, or does not answer.</exception>
    public static string CudaRuntimeVersion()
    {
        NativeLibraries.LoadCudaRuntime();
        var error = CudaMethods.RuntimeGetVersion(out var version);
        return error == 0
            ? $"{version / 1000}.{version % 1000 / 10}"
            : throw new NcclUnavailableException($"cudaRuntimeGetVersion: {CudaMethods.Describe(error)}");
    }

    /// <summary>Combines several buffers of all ranks, in place, as one launch.</summary>
    /// <param name="buffers">Of the same sizes and types, in the same order, on all ranks; at least one.</param>
    /// <param name="operation">How elements are combined.</param>
    /// <exception cref="ArgumentException">A buffer's layout, device or type is not supported, or there is none.</exception>
    /// <exception cref="ProcessGroupException">The group has failed or was aborted.</exception>
    public IWork AllReduce(IReadOnlyList<torch.Tensor> buffers, ReduceOperation operation = ReduceOperation.Sum)
    {
        ArgumentNullException.ThrowIfNull(buffers);
        CheckReduction(operation);
        if (buffers.Count == 0)
        {
            throw new ArgumentException("buffers is empty; at least one is needed", nameof(buffers));
        }

        var held = new List<TensorBuffer>();
        try
        {
            held.AddRange(buffers.Select((buffer, i) => Hold(buffer, $"{nameof(buffers)}[{i}]")));
        }
        catch
        {
            held.ForEach(buffer => buffer.Dispose());
            throw;
        }

        var bytes = held.Sum(buffer => buffer.Bytes);
        return Start(
            Operation("all-reduce", bytes),
            () => Run(bytes, (communicator, stream) =>
            {
                var result = NcclResult.Success;
                foreach (var buffer in held.TakeWhile(_ => result is NcclResult.Success or NcclResult.InProgress))
                {
                    result = NcclMethods.AllReduce(
                        buffer.Pointer, buffer.Pointer, (nuint)buffer.Count, TypeOf(buffer), ReductionOf(operation), communicator, stream);
                }

                return result;
            }),
            [.. held]);
    }

    private protected override TensorBuffer Hold(torch.Tensor tensor, string name)
    {
        var buffer = TensorBuffer.Of(tensor, name);
        // An empty tensor has no memory, and the library does nothing for it.
        if (buffer.Count == 0)
        {
            return buffer;
        }

        var error = CudaMethods.PointerGetAttributes(out var attributes, buffer.Pointer);
        if (error == 0
            && attributes.Type is CudaPointerAttributes.DeviceMemory or CudaPointerAttributes.ManagedMemory
            && attributes.Device == _gpu)
        {
            return buffer;
        }

        buffer.Dispose();
        if (error is not 0 and not CudaMethods.InvalidValue)
        {
            throw new GpuFailedException($"cudaPointerGetAttributes: {CudaMethods.Describe(error)}", Operation("use"));
        }

        throw new ArgumentException($"{name} is on {tensor.device}, not in the memory of GPU {_gpu}", name);
    }

    private protected override (Action Run, IDisposable Held)? Prepare(ProcessGroupOperation operation)
    {
        try
        {
            var computed = _stream.AfterComputing();
            return (computed.Await, computed);
        }
        catch (CudaException e)
        {
            throw new GpuFailedException(e.Message, operation);
        }
    }

    private protected override void RunAllReduce(TensorBuffer buffer, ReduceOperation operation)
        => Run(buffer.Bytes, (communicator, stream) => NcclMethods.AllReduce(
            buffer.Pointer, buffer.Pointer, (nuint)buffer.Count, TypeOf(buffer), ReductionOf(operation), communicator, stream));

    private protected override IWork StartRounded(torch.Tensor buffer)
    {
        using var noGrad = torch.no_grad();
        var rounded = buffer.to_type(torch.ScalarType.BFloat16).DetachFromDisposeScope();
        try
        {
            return new RoundedWork(
                Start("rounded all-reduce", rounded, nameof(buffer), held => RunAllReduce(held, ReduceOperation.Sum)),
                rounded,
                buffer.alias().DetachFromDisposeScope());
        }
        catch
        {
            rounded.Dispose();
            throw;
        }
    }

    private protected override void RunReduceScatter(TensorBuffer input, TensorBuffer output, ReduceOperation operation)
        => Run(input.Bytes, (communicator, stream) => NcclMethods.ReduceScatter(
            input.Pointer, output.Pointer, (nuint)output.Count, TypeOf(input), ReductionOf(operation), communicator, stream));

    private protected override void RunAllGather(TensorBuffer input, TensorBuffer output)
        => Run(input.Bytes, (communicator, stream) => NcclMethods.AllGather(
            input.Pointer, output.Pointer, (nuint)input.Count, TypeOf(input), communicator, stream));

    private protected override void RunBroadcast(TensorBuffer buffer, int root)
        => Run(buffer.Bytes, (communicator, stream) => NcclMethods.Broadcast(
            buffer.Pointer, buffer.Pointer, (nuint)buffer.Count, TypeOf(buffer), root, communicator, stream));

    // NCCL has no barrier: nobody has the sum before all have given their part.
    private protected override void RunBarrier()
    {
        using var ticket = TensorBuffer.Of(_ticket, "barrier");
        RunAllReduce(ticket, ReduceOperation.Sum);
    }

    private protected override void Interrupt() => _communicator.Abort();

    private protected override void Close()
    {
        _communicator.Dispose();
        _stream.Dispose();
        _ticket.Dispose();
    }

    // Whatever ends an operation that was not done ends the group, on all ranks if they can notice.
    private void Run(long bytes, Func<nint, nint, NcclResult> launch)
    {
        if (bytes == 0)
        {
            return;
        }

        try
        {
            _communicator.Run(launch, Timeout);
        }
        catch
        {
            _communicator.AbortAndDrain();
            throw;
        }
    }

    // Runs on the communication thread.
    private void Rendezvous(IRendezvousStore store)
    {
        var deadline = Deadline.After(RendezvousTimeout);
        _stream.UseDevice();
        _communicator.Connect(Rank, WorldSize, AgreeOnId(store, deadline), deadline);
    }

    private NcclUniqueId AgreeOnId(IRendezvousStore store, Deadline deadline)
    {
        var (key, version) = ($"process-group/{Generation}/nccl", LibraryVersion());
        var bytes = new byte[IdBytes];
        if (Rank == 0)
        {
            var result = NcclMethods.GetUniqueId(out var id);
            if (result != NcclResult.Success)
            {
                throw new NativeException(NativeCode.Failed, peer: null, $"ncclGetUniqueId: {NcclMethods.Describe(result, communicator: 0)}");
            }

            BinaryPrimitives.WriteInt32LittleEndian(bytes, version);
            MemoryMarshal.AsBytes(new ReadOnlySpan<NcclUniqueId>(ref id)).CopyTo(bytes.AsSpan(sizeof(int)));
            store.Set(key, bytes);
            return id;
        }

        bytes = store.Get(key, deadline.Left, Aborted);
        if (bytes.Length != IdBytes)
        {
            throw new InvalidDataException($"'{key}' has {bytes.Length} bytes; {IdBytes} are expected");
        }

        var others = BinaryPrimitives.ReadInt32LittleEndian(bytes);
        return others == version
            ? MemoryMarshal.Read<NcclUniqueId>(bytes.AsSpan(sizeof(int)))
            : throw new InvalidDataException(
                $"rank 0 has NCCL {NcclVersion.Text(others)}, rank {Rank} has {NcclVersion.Text(version)}: it must be the same on all machines");
    }

    private static int LibraryVersion()
    {
        var result = NcclMethods.GetVersion(out var version);
        if (result != NcclResult.Success)
        {
            throw new NcclUnavailableException($"ncclGetVersion: {NcclMethods.Describe(result, communicator: 0)}");
        }

        return version >= NcclVersion.Oldest
            ? version
            : throw new NcclUnavailableException(
                $"NCCL is of version {NcclVersion.Text(version)}; at least {NcclVersion.Text(NcclVersion.Oldest)} is needed.");
    }

    private static string VisibleDevices()
        => Environment.GetEnvironmentVariable("CUDA_VISIBLE_DEVICES") is { } visible
            ? $"CUDA_VISIBLE_DEVICES, which is '{visible}'"
            : "CUDA_VISIBLE_DEVICES, which is not set";

    private static NcclType TypeOf(TensorBuffer buffer) => buffer.Type switch
    {
        ElementType.Float32 => NcclType.Float32,
        ElementType.Float64 => NcclType.Float64,
        ElementType.Int32 => NcclType.Int32,
        ElementType.Int64 => NcclType.Int64,
        _ => NcclType.BFloat16,
    };

    private static NcclReduction ReductionOf(ReduceOperation operation) => operation switch
    {
        ReduceOperation.Sum => NcclReduction.Sum,
        ReduceOperation.Min => NcclReduction.Min,
        _ => NcclReduction.Max,
    };
}
