using Grpc.Core;
using Grpc.Net.Client;
using Linformer.Protocol.V1;
using Linformer.Protocol.Wire;
using Polly;
using Polly.Retry;

namespace Linformer.Cli.Cluster;

/// <summary>A connection to a coordinator. It connects when it is first used, and again whenever it must.</summary>
internal sealed class CoordinatorClient : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly SocketsHttpHandler _handler;
    private readonly GrpcChannel _channel;
    private readonly Metadata _headers;

    /// <summary>Prepares the connection.</summary>
    /// <param name="address">Where the coordinator answers.</param>
    /// <param name="token">The user token, if one is asked for.</param>
    public CoordinatorClient(CoordinatorAddress address, string? token)
    {
        Address = address;
        // A stream may be silent for hours: pings tell a quiet coordinator from one whose machine is gone.
        _handler = new SocketsHttpHandler
        {
            ConnectTimeout = TimeSpan.FromSeconds(5),
            KeepAlivePingDelay = TimeSpan.FromSeconds(15),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(10),
            UseProxy = false, // proxies do not speak HTTP/2 without TLS
            EnableMultipleHttp2Connections = true,
        };
        _channel = GrpcChannel.ForAddress(address.Uri, new GrpcChannelOptions
        {
            HttpHandler = _handler,
            // By default a channel fails calls for ever longer after a connection that could not be made.
            InitialReconnectBackoff = TimeSpan.FromMilliseconds(200),
            MaxReconnectBackoff = TimeSpan.FromSeconds(2),
            MaxReceiveMessageSize = WireLimits.MaxAssignmentBytes, // a long history, or a job file of a thousand globs
        });
        _headers = new Metadata { { MetadataNames.ProtocolVersion, $"{ProtocolVersion.Current}" } };
        if (token is not null)
            _headers.Add(MetadataNames.Authorization, MetadataNames.BearerPrefix + token);
        Jobs = new Jobs.JobsClient(_channel);
        Workers = new Workers.WorkersClient(_channel);
        Corpora = new Corpora.CorporaClient(_channel);
    }

    /// <summary>Where the coordinator answers.</summary>
    public CoordinatorAddress Address { get; }

    /// <summary>Its jobs.</summary>
    public Jobs.JobsClient Jobs { get; }

    /// <summary>Its workers.</summary>
    public Workers.WorkersClient Workers { get; }

    /// <summary>Its corpora.</summary>
    public Corpora.CorporaClient Corpora { get; }

    /// <summary>The options of a call that answers once, soon.</summary>
    public CallOptions Call(CancellationToken cancellation) => Call(Deadline, cancellation);

    /// <summary>The options of a call that answers once.</summary>
    /// <param name="deadline">How long it may take.</param>
    /// <param name="cancellation">Ends it early.</param>
    public CallOptions Call(TimeSpan deadline, CancellationToken cancellation) =>
        new(_headers, DateTime.UtcNow + deadline, cancellation);

    /// <summary>The options of a stream, which may take for ever.</summary>
    public CallOptions Stream(CancellationToken cancellation) => new(_headers, cancellationToken: cancellation);

    /// <summary>Submits a job. As the request carries an idempotency key, it is sent again when no coordinator answers.</summary>
    /// <param name="request">The submission.</param>
    /// <param name="note">Told when it is tried again.</param>
    /// <param name="cancellation">Ends it early.</param>
    public async Task<SubmitResponse> SubmitAsync(SubmitRequest request, Action<string> note, CancellationToken cancellation)
    {
        var retry = new RetryStrategyOptions<SubmitResponse>
        {
            ShouldHandle = new PredicateBuilder<SubmitResponse>().Handle<RpcException>(error => error.StatusCode == StatusCode.Unavailable),
            MaxRetryAttempts = 4,
            Delay = TimeSpan.FromMilliseconds(200),
            BackoffType = DelayBackoffType.Exponential,
            OnRetry = attempt =>
            {
                if (attempt.AttemptNumber == 0)
                    note($"{Refusal(attempt.Outcome.Exception)}; trying again …");
                return ValueTask.CompletedTask;
            },
        };
        return await new ResiliencePipelineBuilder<SubmitResponse>().AddRetry(retry).Build().ExecuteAsync(
            async token => await Jobs.SubmitAsync(request, Call(token)), cancellation);
    }

    // An exception behind the status means that it was made on this side of the wire.
    private string Refusal(Exception? error) => error is RpcException { Status: { DebugException: null, Detail.Length: > 0 } status }
        ? status.Detail.TrimEnd('.', ' ')
        : $"No coordinator answers at {Address}";

    /// <inheritdoc/>
    public void Dispose()
    {
        _channel.Dispose();
        _handler.Dispose();
    }
}
