using Grpc.Net.Client;
using Linformer.Protocol.Security;
using Linformer.Protocol.Wire;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>The ways to the coordinators, of which one is active. Not for several threads at a time.</summary>
internal sealed class CoordinatorChannels : IDisposable
{
    private readonly List<(Uri Address, GrpcChannel Channel)> _channels;
    private int _current;

    /// <summary>Prepares; nothing is connected yet.</summary>
    public CoordinatorChannels(WorkerAgentOptions options)
    {
        var alone = options.OtherCoordinators.Count == 0;
        _channels = [.. ((IEnumerable<Uri>)[options.Coordinator, .. options.OtherCoordinators]).Select(address => (address, Channel(address, options.Tls, alone)))];
    }

    /// <summary>How many there are.</summary>
    public int Count => _channels.Count;

    /// <summary>The one to try.</summary>
    public (Uri Address, V1.Agents.AgentsClient Client) Current => (_channels[_current].Address, new V1.Agents.AgentsClient(_channels[_current].Channel));

    /// <summary>Turns to the next one.</summary>
    public void MoveOn() => _current = (_current + 1) % _channels.Count;

    /// <inheritdoc/>
    public void Dispose() => _channels.ForEach(one => one.Channel.Dispose());

    // Where there is another to turn to, one that does not answer is found out sooner.
    private static GrpcChannel Channel(Uri address, ClientTls tls, bool alone) => GrpcChannel.ForAddress(address, new GrpcChannelOptions
    {
        // The coordinator speaks only when something changes: without these, a machine that has gone would not be noticed.
        HttpHandler = new SocketsHttpHandler
        {
            KeepAlivePingDelay = TimeSpan.FromSeconds(alone ? 5 : 2),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(alone ? 5 : 3),
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            ConnectTimeout = TimeSpan.FromSeconds(alone ? 5 : 2),
            UseProxy = false,
            SslOptions = TlsFailures.Telling(tls),
        },
        DisposeHttpClient = true,
        // By default a channel fails calls for ever longer after a connection that could not be made. Who asks waits long enough.
        InitialReconnectBackoff = TimeSpan.FromSeconds(0.2),
        MaxReconnectBackoff = TimeSpan.FromSeconds(0.2),
        MaxReceiveMessageSize = WireLimits.MaxAssignmentBytes,
    });
}
