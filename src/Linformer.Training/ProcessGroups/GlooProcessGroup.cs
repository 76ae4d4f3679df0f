using System.Net;
using System.Text;
using TorchSharp;

namespace Linformer.Training.ProcessGroups;

/// <summary>A process group over Gloo's collectives and TCP, and over memory between ranks with the same address.</summary>
/// <remarks>
/// <para>The constructor returns at once; the rendezvous runs on the group's communication thread,
/// and the first collectives wait for it. <see cref="QueuedProcessGroup.Connected"/> tells how it went.</para>
/// <para>A rank that fails or is aborted cuts all its connections at once, so that the others fail
/// within milliseconds. Connections from strangers are dropped and disturb nobody: both ends show
/// the secret that the other one published in the store.</para>
/// </remarks>
public sealed class GlooProcessGroup : QueuedProcessGroup
{
    private readonly GlooOptions _options;
    private readonly GlooContext _context;

    /// <summary>Starts to listen and to meet the other ranks.</summary>
    /// <param name="rank">This rank's number, from 0 to <paramref name="worldSize"/> - 1.</param>
    /// <param name="worldSize">The number of ranks.</param>
    /// <param name="generation">The generation of the job's membership; the same on all ranks.</param>
    /// <param name="store">Where the ranks meet; the same for all ranks. Not disposed.</param>
    /// <param name="options">How to connect; null for the defaults: loopback, 30 s.</param>
    /// <exception cref="ArgumentException">A number is out of range, or an address cannot be used.</exception>
    public GlooProcessGroup(
        int rank, int worldSize, long generation, IRendezvousStore store, GlooOptions? options = null)
        : this(rank, worldSize, generation, options ?? new GlooOptions())
    {
        ArgumentNullException.ThrowIfNull(store);
        var bound = NetworkAddress.Resolve(_options.BindAddress, nameof(GlooOptions.BindAddress));
        var advertised = AdvertisedAddress(bound);
        try
        {
            _context = new GlooContext(rank, worldSize, generation, bound.ToString(), _options.ShareMemory);
        }
        catch (NativeException exception)
        {
            throw new ArgumentException(
                $"{nameof(GlooOptions.BindAddress)} is '{_options.BindAddress}': {exception.Message}", nameof(options), exception);
        }

        Begin(() => Rendezvous(store, advertised));
    }

    private GlooProcessGroup(int rank, int worldSize, long generation, GlooOptions options)
        : base(rank, worldSize, generation, options.Timeout, options.RendezvousTimeout)
        => (_options, _context) = (options, null!);

    /// <inheritdoc/>
    public override string Backend => "gloo";

    private protected override TensorBuffer Hold(torch.Tensor tensor, string name) => TensorBuffer.OnCpu(tensor, name);

    private protected override void RunAllReduce(TensorBuffer buffer, ReduceOperation operation)
        => _context.AllReduce(buffer.Pointer, buffer.Count, buffer.Type, operation, Timeout);

    private protected override IWork StartRounded(torch.Tensor buffer)
        => Start(
            "rounded all-reduce", buffer, nameof(buffer), held => _context.AllReduceRounded(held.Pointer, held.Count, Timeout));

    private protected override void RunReduceScatter(TensorBuffer input, TensorBuffer output, ReduceOperation operation)
        => _context.ReduceScatter(input.Pointer, output.Pointer, output.Count, output.Type, operation, Timeout);

    private protected override void RunAllGather(TensorBuffer input, TensorBuffer output)
        => _context.AllGather(input.Pointer, output.Pointer, input.Count, input.Type, Timeout);

    private protected override void RunBroadcast(TensorBuffer buffer, int root)
        => _context.Broadcast(buffer.Pointer, buffer.Count, buffer.Type, root, Timeout);

    private protected override void RunBarrier() => _context.Barrier(Timeout);

    private protected override void Interrupt() => _context.Abort();

    private protected override void Close() => _context.Dispose();

    // Runs on the communication thread.
    private void Rendezvous(IRendezvousStore store, IPAddress advertised)
    {
        var deadline = Deadline.After(RendezvousTimeout);
        store.Set(Key(Rank), Encoding.UTF8.GetBytes($"{advertised} {_context.PortAndToken}"));
        var endpoints = new string[WorldSize];
        for (var peer = 0; peer < WorldSize; peer++)
        {
            endpoints[peer] = Encoding.UTF8.GetString(store.Get(Key(peer), deadline.Left, Aborted));
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
}
