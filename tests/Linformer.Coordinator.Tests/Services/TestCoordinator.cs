using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Linformer.Coordinator.Tests.Storage;
using Linformer.Protocol.Security;
using Linformer.Protocol.Wire;
using Serilog;
using Serilog.Core;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

/// <summary>A real coordinator on a free port of loopback, and clients of it.</summary>
internal sealed class TestCoordinator : IAsyncDisposable
{
    private readonly TemporaryFolder _folder;
    private readonly bool _ownsFolder;

    private readonly ClientTls _tls;

    private TestCoordinator(TemporaryFolder folder, bool ownsFolder, CoordinatorHost host, ClientTls tls)
    {
        _folder = folder;
        _ownsFolder = ownsFolder;
        _tls = tls;
        Host = host;
        Channel = Connect();
        Jobs = new Proto.Jobs.JobsClient(Channel);
        Workers = new Proto.Workers.WorkersClient(Channel);
        Corpora = new Proto.Corpora.CorporaClient(Channel);
        Cluster = new Proto.Cluster.ClusterClient(Channel);
    }

    public CoordinatorHost Host { get; }

    public GrpcChannel Channel { get; }

    public Proto.Jobs.JobsClient Jobs { get; }

    public Proto.Workers.WorkersClient Workers { get; }

    public Proto.Corpora.CorporaClient Corpora { get; }

    public Proto.Cluster.ClusterClient Cluster { get; }

    public string DataFolder => _folder.Path;

    public static async Task<TestCoordinator> StartAsync(TemporaryFolder? folder = null, Func<CoordinatorOptions, CoordinatorOptions>? change = null, ILogger? logger = null, ClientTls? tls = null)
    {
        var owned = folder is null;
        folder ??= new TemporaryFolder();
        var options = new CoordinatorOptions
        {
            DataFolder = folder.Path,
            Listen = ["localhost:0"],
            HttpListen = ["localhost:0"],
            HeartbeatInterval = TimeSpan.FromMilliseconds(500),
            Lease = TimeSpan.FromSeconds(10),
        };
        try
        {
            var host = await CoordinatorHost.StartAsync(change?.Invoke(options) ?? options, logger ?? Logger.None, CancellationToken.None);
            return new TestCoordinator(folder, owned, host, tls ?? new ClientTls());
        }
        catch
        {
            if (owned)
                folder.Dispose();
            throw;
        }
    }

    public GrpcChannel Connect(ClientTls? tls = null) => GrpcChannel.ForAddress(Host.Addresses[0], new GrpcChannelOptions
    {
        MaxReceiveMessageSize = WireLimits.MaxAssignmentBytes,
        HttpHandler = new SocketsHttpHandler { EnableMultipleHttp2Connections = true, SslOptions = (tls ?? _tls).ToSslOptions() },
        DisposeHttpClient = true,
    });

    public async Task<Proto.Job> SubmitAsync(string name = "small", int min = 1, string? key = null)
    {
        var response = await Jobs.SubmitAsync(Request(name, min, key));
        return response.Job;
    }

    public static Proto.SubmitRequest Request(string name = "small", int min = 1, string? key = null) => new()
    {
        JobFile = ByteString.CopyFromUtf8(JobFile(name, min)),
        IdempotencyKey = key ?? Guid.NewGuid().ToString(),
        Submitter = "ada",
    };

    public static string JobFile(string name = "small", int min = 1) =>
        $"name: {name}\ncorpus: {{ files: [\"texts/*.txt\"] }}\ntraining: {{ steps: 1000 }}\nranks: {{ min: {min}, max: {Math.Max(min, 2)} }}\n";

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        await Host.DisposeAsync();
        if (_ownsFolder)
            _folder.Dispose();
    }
}

/// <summary>How a call was refused.</summary>
internal static class Refused
{
    public static async Task<RpcException> With(StatusCode code, Func<Task> call)
    {
        var exception = await Should.ThrowAsync<RpcException>(call);
        exception.StatusCode.ShouldBe(code, exception.Status.Detail);
        return exception;
    }
}
