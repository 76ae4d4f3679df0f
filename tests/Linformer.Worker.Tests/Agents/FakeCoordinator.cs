using System.Collections.Concurrent;
using System.Net;
using System.Threading.Channels;
using Grpc.Core;
using Linformer.Protocol.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

/// <summary>A gRPC server that assigns what the test says, and keeps what agents tell.</summary>
internal sealed class FakeCoordinator : IAsyncDisposable
{
    public const string Token = "the-join-token";

    private readonly ConcurrentDictionary<string, Peer> _peers = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly List<(string From, V1.RendezvousValue Value)> _rendezvous = [];
    private WebApplication? _server;
    private int _port;

    public Uri Address => new($"http://127.0.0.1:{_port}");

    public long Epoch { get; set; } = 3;

    public bool Acknowledges { get; set; } = true;

    public string StorageId { get; set; } = "";

    /// <summary>Says why an agent is not wanted.</summary>
    public Func<V1.Hello, Status?>? Refuse { get; set; }

    public static async Task<FakeCoordinator> StartNewAsync()
    {
        var coordinator = new FakeCoordinator();
        await coordinator.StartAsync();
        return coordinator;
    }

    /// <summary>Starts to listen, again on the same port.</summary>
    public async Task StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, _port, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(this);
        _server = builder.Build();
        _server.MapGrpcService<FakeAgents>();
        await _server.StartAsync();
        var address = _server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        _port = new Uri(address).Port;
    }

    public async Task StopAsync()
    {
        foreach (var name in _peers.Keys)
        {
            Drop(name);
        }

        await _server!.StopAsync(new CancellationToken(canceled: true));
        await _server.DisposeAsync();
        _server = null;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await StopAsync();
        }
    }

    public Peer Of(string name) => _peers.GetOrAdd(name, _ => new Peer());

    /// <summary>Gives an agent an assignment, now and whenever it connects.</summary>
    public void Assign(string name, Action<V1.Assignment> change)
    {
        var peer = Of(name);
        lock (peer)
        {
            var next = peer.Assignment.Clone();
            change(next);
            next.Revision = peer.Assignment.Revision + 1;
            peer.Assignment = next;
            peer.Outbox?.Writer.TryWrite(new V1.CoordinatorMessage { Assignment = Stamped(next) });
        }
    }

    public void Send(string name, V1.CoordinatorMessage message) => Of(name).Outbox!.Writer.TryWrite(message);

    /// <summary>Ends an agent's connection.</summary>
    public void Drop(string name) => Of(name).Connection?.Cancel();

    /// <summary>Waits until something holds for what an agent has told.</summary>
    public async Task<T> WaitAsync<T>(string name, Func<Peer, T?> look)
        where T : class
    {
        var peer = Of(name);
        using var giveUp = new CancellationTokenSource(TimeSpan.FromSeconds(180));
        while (true)
        {
            lock (peer)
            {
                if (look(peer) is { } found)
                {
                    return found;
                }
            }

            if (giveUp.IsCancellationRequested)
            {
                throw new TimeoutException($"{name} has not told what was expected; its last status is {peer.Status}, its telemetry {string.Join(" ", peer.Telemetry.Values.TakeLast(5))}");
            }

            await Task.Delay(15);
        }
    }

    /// <summary>Waits for the status of an agent's only group.</summary>
    public Task<V1.GroupStatus> WaitForGroupAsync(string name, Func<V1.GroupStatus, bool> condition) =>
        WaitAsync(name, peer => peer.Status?.Groups.SingleOrDefault(condition));

    /// <summary>Waits for the status of an agent's only group in which all members are so.</summary>
    public async Task<IReadOnlyList<V1.MemberStatus>> WaitForMembersAsync(string name, int count, Func<V1.MemberStatus, bool> condition) =>
        (await WaitForGroupAsync(name, group => group.Members.Count == count && group.Members.All(condition))).Members;

    public async Task ServeAsync(IAsyncStreamReader<V1.AgentMessage> requests, IServerStreamWriter<V1.CoordinatorMessage> responses, ServerCallContext context)
    {
        if (context.RequestHeaders.GetValue("authorization") != $"Bearer {Token}")
        {
            throw new RpcException(new Status(StatusCode.Unauthenticated, "The join token is wrong."));
        }

        await requests.MoveNext(context.CancellationToken);
        var hello = requests.Current.Hello;
        if (Refuse?.Invoke(hello) is { } refusal)
        {
            throw new RpcException(refusal);
        }

        using var connection = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        var outbox = Channel.CreateUnbounded<V1.CoordinatorMessage>();
        var peer = Of(hello.Name);
        Begin(hello, peer, outbox, connection);
        var writing = WriteAsync(outbox.Reader, responses, connection.Token);
        try
        {
            while (await requests.MoveNext(connection.Token))
            {
                Take(hello.Name, peer, requests.Current, outbox);
            }

            lock (peer)
            {
                peer.Goodbyes++;
            }
        }
        catch (Exception) when (connection.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.Unavailable, "The connection was dropped."));
        }
        finally
        {
            lock (peer)
            {
                // The next connection may have begun.
                if (peer.Connection == connection)
                {
                    (peer.Outbox, peer.Connection) = (null, null);
                }
            }

            outbox.Writer.TryComplete();
            await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task WriteAsync(ChannelReader<V1.CoordinatorMessage> outbox, IServerStreamWriter<V1.CoordinatorMessage> responses, CancellationToken cancellationToken)
    {
        await foreach (var message in outbox.ReadAllAsync(cancellationToken))
        {
            await responses.WriteAsync(message, cancellationToken);
        }
    }

    private void Begin(V1.Hello hello, Peer peer, Channel<V1.CoordinatorMessage> outbox, CancellationTokenSource connection)
    {
        lock (peer)
        {
            peer.Hellos.Add(hello);
            (peer.Outbox, peer.Connection) = (outbox, connection);
            outbox.Writer.TryWrite(new V1.CoordinatorMessage
            {
                Welcome = new V1.Welcome { ProtocolVersion = ProtocolVersion.Current, Epoch = Epoch, HeartbeatMilliseconds = 200, LeaseMilliseconds = 1000, StorageId = StorageId },
            });
            outbox.Writer.TryWrite(new V1.CoordinatorMessage { Assignment = Stamped(peer.Assignment) });
        }

        lock (_gate)
        {
            foreach (var (from, value) in _rendezvous)
            {
                Relay(from, value, hello.Name, outbox);
            }
        }
    }

    private void Take(string name, Peer peer, V1.AgentMessage message, Channel<V1.CoordinatorMessage> outbox)
    {
        lock (peer)
        {
            switch (message.KindCase)
            {
                case V1.AgentMessage.KindOneofCase.Status:
                    peer.Statuses.Add(message.Status);
                    break;
                case V1.AgentMessage.KindOneofCase.Rendezvous:
                    peer.Rendezvous.Add(message.Rendezvous);
                    break;
                case V1.AgentMessage.KindOneofCase.Telemetry:
                    peer.TelemetryMessages++;
                    peer.Add(message.Telemetry);
                    if (Acknowledges)
                    {
                        outbox.Writer.TryWrite(new V1.CoordinatorMessage { TelemetryAck = new V1.TelemetryAck { Sequence = message.Telemetry.Sequence } });
                    }

                    break;
            }
        }

        if (message.Rendezvous is { } set)
        {
            lock (_gate)
            {
                _rendezvous.Add((name, set));
                foreach (var (other, its) in _peers)
                {
                    Relay(name, set, other, its.Outbox);
                }
            }
        }
    }

    private static void Relay(string from, V1.RendezvousValue value, string to, Channel<V1.CoordinatorMessage>? outbox)
    {
        if (from != to)
        {
            outbox?.Writer.TryWrite(new V1.CoordinatorMessage { Rendezvous = new V1.RendezvousValues { Values = { value } } });
        }
    }

    private V1.Assignment Stamped(V1.Assignment assignment)
    {
        var stamped = assignment.Clone();
        stamped.Epoch = Epoch;
        return stamped;
    }

    /// <summary>What an agent has told, over all its connections. Lock it.</summary>
    public sealed class Peer
    {
        public List<V1.Hello> Hellos { get; } = [];

        public List<V1.Status> Statuses { get; } = [];

        public V1.Status? Status => Statuses.LastOrDefault();

        /// <summary>By sequence number.</summary>
        public SortedDictionary<long, V1.TelemetryItem> Telemetry { get; } = [];

        public int TelemetryMessages { get; set; }

        /// <summary>Values that its ranks have set, also those that came more than once.</summary>
        public List<V1.RendezvousValue> Rendezvous { get; } = [];

        /// <summary>Items that came more than once.</summary>
        public int Repeated { get; private set; }

        /// <summary>Streams that the agent has ended itself.</summary>
        public int Goodbyes { get; set; }

        public V1.Assignment Assignment { get; set; } = new();

        public Channel<V1.CoordinatorMessage>? Outbox { get; set; }

        public CancellationTokenSource? Connection { get; set; }

        public IEnumerable<V1.TelemetryItem> Metrics => Telemetry.Values.Where(item => item.Metric is not null);

        public IEnumerable<V1.TelemetryItem> Logs => Telemetry.Values.Where(item => item.Log is not null);

        public IEnumerable<V1.TelemetryItem> Samples => Telemetry.Values.Where(item => item.Sample is not null);

        public void Add(V1.Telemetry telemetry)
        {
            var sequence = telemetry.Sequence - telemetry.Items.Count;
            foreach (var item in telemetry.Items)
            {
                if (Telemetry.TryGetValue(++sequence, out var earlier))
                {
                    earlier.ShouldBe(item);
                    Repeated++;
                }

                Telemetry[sequence] = item;
            }
        }
    }
}

/// <summary>What the server calls.</summary>
internal sealed class FakeAgents(FakeCoordinator coordinator) : V1.Agents.AgentsBase
{
    public override Task Connect(IAsyncStreamReader<V1.AgentMessage> requestStream, IServerStreamWriter<V1.CoordinatorMessage> responseStream, ServerCallContext context) =>
        coordinator.ServeAsync(requestStream, responseStream, context);
}
