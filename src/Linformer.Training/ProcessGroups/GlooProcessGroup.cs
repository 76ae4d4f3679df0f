using System.Net;
using System.Text;
using TorchSharp;

namespace Linformer.Training.ProcessGroups;

/// <summary>A process group over Gloo's collectives and TCP.</summary>
/// <remarks>
/// <para>The constructor returns at once; the rendezvous runs on the group's communication thread,
/// and the first collectives wait for it. <see cref="Connected"/> tells how it went.</para>
/// <para>A rank that fails or is aborted cuts all its connections at once, so that the others fail
/// within milliseconds. Connections from strangers are dropped and disturb nobody: both ends show
/// the secret that the other one published in the store.</para>
/// </remarks>
public sealed class GlooProcessGroup : IProcessGroup
{
    private readonly GlooOptions _options;
    private readonly GlooContext _context;
    private readonly CommunicationThread _communication;
    private readonly CancellationTokenSource _aborted = new();
    private readonly Lock _ending = new();
    private bool _disposed;

    /// <summary>Starts to listen and to meet the other ranks.</summary>
    /// <param name="rank">This rank's number, from 0 to <paramref name="worldSize"/> - 1.</param>
    /// <param name="worldSize">The number of ranks.</param>
    /// <param name="generation">The generation of the job's membership; the same on all ranks.</param>
    /// <param name="store">Where the ranks meet; the same for all ranks. Not disposed.</param>
    /// <param name="options">How to connect; null for the defaults: loopback, 30 s.</param>
    /// <exception cref="ArgumentException">A number is out of range, or an address cannot be used.</exception>
    public GlooProcessGroup(
        int rank, int worldSize, long generation, IRendezvousStore store, GlooOptions? options = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(worldSize, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rank, worldSize);
        ArgumentNullException.ThrowIfNull(store);
        _options = options ?? new GlooOptions();
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(
            _options.Timeout, TimeSpan.Zero, nameof(GlooOptions.Timeout));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(
            _options.RendezvousTimeout, TimeSpan.Zero, nameof(GlooOptions.RendezvousTimeout));

        Rank = rank;
        WorldSize = worldSize;
        Generation = generation;
        var bound = NetworkAddress.Resolve(_options.BindAddress, nameof(GlooOptions.BindAddress));
        var advertised = AdvertisedAddress(bound);
        try
        {
            _context = new GlooContext(rank, worldSize, generation, bound.ToString());
        }
        catch (NativeException exception)
        {
            throw new ArgumentException(
                $"{nameof(GlooOptions.BindAddress)} is '{_options.BindAddress}': {exception.Message}", nameof(options), exception);
        }

        _communication = new CommunicationThread($"gloo {rank}/{worldSize} g{generation}");
        Connected = _communication.Start(Operation("rendezvous"), () => Rendezvous(store, advertised));
    }

    /// <inheritdoc/>
    public long Generation { get; }

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int WorldSize { get; }

    /// <inheritdoc/>
    public string Backend => "gloo";

    /// <summary>Completes when this rank is connected with all others.</summary>
    public IWork Connected { get; }

    /// <inheritdoc/>
    public IWork AllReduce(torch.Tensor buffer, ReduceOperation operation = ReduceOperation.Sum)
    {
        CheckReduction(operation);
        return Start("all-reduce", buffer, nameof(buffer), held =>
            _context.AllReduce(held.Pointer, held.Count, held.Type, operation, _options.Timeout));
    }

    /// <inheritdoc/>
    public IWork ReduceScatter(
        torch.Tensor input, torch.Tensor output, ReduceOperation operation = ReduceOperation.Sum)
    {
        CheckReduction(operation);
        return Start("reduce-scatter", whole: input, nameof(input), part: output, nameof(output), (whole, part) =>
            _context.ReduceScatter(
                whole.Pointer, part.Pointer, part.Count, part.Type, operation, _options.Timeout));
    }

    /// <inheritdoc/>
    public IWork AllGather(torch.Tensor input, torch.Tensor output)
        => Start("all-gather", whole: output, nameof(output), part: input, nameof(input), (whole, part) =>
            _context.AllGather(part.Pointer, whole.Pointer, part.Count, part.Type, _options.Timeout));

    /// <inheritdoc/>
    public IWork Broadcast(torch.Tensor buffer, int root)
    {
        if (root < 0 || root >= WorldSize)
        {
            throw new ArgumentOutOfRangeException(nameof(root), root, $"root must be a rank: 0 to {WorldSize - 1}");
        }

        return Start("broadcast", buffer, nameof(buffer), held =>
            _context.Broadcast(held.Pointer, held.Count, held.Type, root, _options.Timeout));
    }

    /// <inheritdoc/>
    public IWork Barrier()
    {
        var operation = Operation("barrier");
        ThrowIfUnusable(operation);
        return _communication.Start(operation, () => _context.Barrier(_options.Timeout));
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

            if (_communication.IsBusy)
            {
                End(new ObjectDisposedException(nameof(GlooProcessGroup)));
            }

            _disposed = true;
        }

        _communication.Dispose();
        _context.Dispose();
        _aborted.Dispose();
    }

    // Under the lock: nobody disposes meanwhile.
    private void End(Exception? reason)
    {
        _communication.Fail(Failure.Abort(reason));
        _context.Abort();
        _aborted.Cancel();
    }

    // Runs on the communication thread.
    private void Rendezvous(IRendezvousStore store, IPAddress advertised)
    {
        var deadline = Deadline.After(_options.RendezvousTimeout);
        store.Set(Key(Rank), Encoding.UTF8.GetBytes($"{advertised} {_context.PortAndToken}"));
        var endpoints = new string[WorldSize];
        for (var peer = 0; peer < WorldSize; peer++)
        {
            endpoints[peer] = Encoding.UTF8.GetString(store.Get(Key(peer), deadline.Left, _aborted.Token));
        }

        _context.Connect(endpoints, deadline.Left);
    }

    private string Key(int rank) => $"process-group/{Generation}/{rank}";

    private IPAddress AdvertisedAddress(IPAddress bound)
    {
        if (_options.AdvertisedAddress is { } advertised)
        {
            return NetworkAddress.Resolve(advertised, nameof(GlooOptions.AdvertisedAddress));
        }

        return bound.Equals(IPAddress.Any) || bound.Equals(IPAddress.IPv6Any)
            ? throw new ArgumentException(
                $"{nameof(GlooOptions.BindAddress)} is {bound}, which is no address that others can reach: " +
                $"set {nameof(GlooOptions.AdvertisedAddress)}",
                nameof(GlooOptions.AdvertisedAddress))
            : bound;
    }

    private IWork Start(string name, torch.Tensor tensor, string tensorName, Action<TensorBuffer> body)
    {
        var buffer = TensorBuffer.Of(tensor, tensorName);
        try
        {
            var operation = Operation(name, buffer.Bytes);
            ThrowIfUnusable(operation);
            return _communication.Start(operation, () => body(buffer), buffer);
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }

    private IWork Start(
        string name,
        torch.Tensor whole,
        string wholeName,
        torch.Tensor part,
        string partName,
        Action<TensorBuffer, TensorBuffer> body)
    {
        var wholeBuffer = TensorBuffer.Of(whole, wholeName);
        TensorBuffer? partBuffer = null;
        try
        {
            partBuffer = TensorBuffer.Of(part, partName);
            TensorBuffer.CheckParts(wholeBuffer, partBuffer, WorldSize, wholeName, partName);
            var operation = Operation(name, wholeBuffer.Bytes);
            ThrowIfUnusable(operation);
            return _communication.Start(
                operation, () => body(wholeBuffer, partBuffer), wholeBuffer, partBuffer);
        }
        catch
        {
            wholeBuffer.Dispose();
            partBuffer?.Dispose();
            throw;
        }
    }

    private ProcessGroupOperation Operation(string name, long bytes = 0)
        => new(name, bytes, Rank, WorldSize, Generation);

    private static void CheckReduction(ReduceOperation operation)
    {
        if (!Enum.IsDefined(operation))
        {
            throw new ArgumentOutOfRangeException(nameof(operation), operation, "operation must be Sum, Min or Max");
        }
    }

    private void ThrowIfUnusable(ProcessGroupOperation operation)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed), this);
        if (_communication.Failure is { } failure)
        {
            throw failure.ToException(operation);
        }
    }
}
