using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Linformer.Chaos.Network;
using Linformer.Protocol.V1;
using Linformer.Protocol.Wire;

namespace Linformer.Chaos;

/// <summary>A client of the coordinator, which may be in a network namespace.</summary>
public sealed class ClusterClient : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    private readonly SocketsHttpHandler _handler;
    private readonly GrpcChannel _channel;
    private readonly Func<string?> _token;
    private readonly Jobs.JobsClient _jobs;
    private readonly Workers.WorkersClient _workers;

    /// <summary>Prepares the connection, which is made when it is first used, and again whenever it must.</summary>
    /// <param name="address">Where the coordinator answers.</param>
    /// <param name="networkNamespace">From where it is reached; null for this process's own network.</param>
    /// <param name="token">Reads the user token; null where none is asked for.</param>
    public ClusterClient(IPEndPoint address, string? networkNamespace, Func<string?> token)
    {
        _token = token;
        _handler = new SocketsHttpHandler { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(2), EnableMultipleHttp2Connections = true };
        if (networkNamespace is not null)
        {
            _handler.ConnectCallback = async (_, cancellation) =>
            {
                var socket = NamespaceSocket.Create(networkNamespace);
                try
                {
                    await socket.ConnectAsync(address, cancellation);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            };
        }

        _channel = GrpcChannel.ForAddress($"http://{address}", new GrpcChannelOptions
        {
            HttpHandler = _handler,
            InitialReconnectBackoff = TimeSpan.FromMilliseconds(20),
            MaxReconnectBackoff = TimeSpan.FromMilliseconds(100),
            MaxReceiveMessageSize = WireLimits.MaxAssignmentBytes,
        });
        _jobs = new Jobs.JobsClient(_channel);
        _workers = new Workers.WorkersClient(_channel);
    }

    /// <summary>Queues a job.</summary>
    /// <param name="file">The job file.</param>
    /// <param name="key">The same key twice is one job.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The job's id.</returns>
    public async Task<string> SubmitAsync(string file, string key, CancellationToken cancellationToken)
    {
        var request = new SubmitRequest
        {
            JobFile = ByteString.CopyFrom(await File.ReadAllBytesAsync(file, cancellationToken)),
            IdempotencyKey = key,
            Source = Path.GetFileName(file),
        };
        return (await _jobs.SubmitAsync(request, Options(cancellationToken))).Job.Id;
    }

    /// <summary>All about a job.</summary>
    /// <exception cref="RpcException">The coordinator does not answer, or refuses.</exception>
    public async Task<JobDetails> ShowAsync(string job, CancellationToken cancellationToken) =>
        await _jobs.ShowAsync(new ShowJobRequest { Job = job }, Options(cancellationToken));

    /// <summary>The metrics of the steps after one.</summary>
    public async Task<IReadOnlyList<MetricPoint>> MetricsAsync(string job, long afterStep, CancellationToken cancellationToken)
    {
        using var call = _jobs.Metrics(new MetricsRequest { Job = job, AfterStep = afterStep }, Options(cancellationToken));
        var points = new List<MetricPoint>();
        while (await call.ResponseStream.MoveNext(cancellationToken))
            points.Add(call.ResponseStream.Current);
        return points;
    }

    /// <summary>A stream of a job's changes.</summary>
    public AsyncServerStreamingCall<WatchEvent> Watch(string job, long afterHistory, CancellationToken cancellationToken) =>
        _jobs.Watch(new WatchRequest { Job = job, AfterHistory = afterHistory }, new CallOptions(Headers(), cancellationToken: cancellationToken));

    /// <summary>The workers.</summary>
    public async Task<IReadOnlyList<Protocol.V1.Worker>> WorkersAsync(CancellationToken cancellationToken) =>
        (await _workers.ListAsync(new ListWorkersRequest(), Options(cancellationToken))).Workers;

    /// <summary>Drains a worker, or takes that back.</summary>
    public async Task DrainAsync(string worker, bool undo, CancellationToken cancellationToken) => await _workers.DrainAsync(
        new DrainWorkerRequest { Worker = worker, Undo = undo, Who = "chaos", Why = "a fault of the plan" }, Options(cancellationToken));

    /// <inheritdoc/>
    public void Dispose()
    {
        _channel.Dispose();
        _handler.Dispose();
    }

    private CallOptions Options(CancellationToken cancellationToken) => new(Headers(), DateTime.UtcNow + Deadline, cancellationToken);

    private Metadata Headers()
    {
        var headers = new Metadata { { MetadataNames.ProtocolVersion, $"{ProtocolVersion.Current}" } };
        if (_token() is { } token)
            headers.Add(MetadataNames.Authorization, MetadataNames.BearerPrefix + token);
        return headers;
    }
}
