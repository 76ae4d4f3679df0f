using Grpc.Core;
using Grpc.Net.Client;
using Linformer.Protocol.Security;
using Linformer.Protocol.V1;
using Linformer.Protocol.Wire;
using Polly;
using Polly.Retry;

namespace Linformer.Cli.Cluster;

/// <summary>A connection to the active one of a cluster's coordinators. It connects when it is first used, and again whenever it must.</summary>
internal sealed class CoordinatorClient : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly List<GrpcChannel> _channels;
    private readonly Metadata _headers;

    /// <summary>Prepares the connection.</summary>
    /// <param name="addresses">Where the coordinators answer.</param>
    /// <param name="token">The user token, if one is asked for.</param>
    /// <param name="tls">Whom to trust, where an address is https; null for the authorities of the system.</param>
    public CoordinatorClient(CoordinatorAddresses addresses, string? token, ClientTls? tls = null)
    {
        Addresses = addresses;
        _channels = [.. addresses.All.Select(address => Channel(address, tls ?? new ClientTls(), alone: addresses.All.Count == 1))];
        _headers = new Metadata { { MetadataNames.ProtocolVersion, $"{ProtocolVersion.Current}" } };
        if (token is not null)
            _headers.Add(MetadataNames.Authorization, MetadataNames.BearerPrefix + token);
        var invoker = _channels.Count == 1 ? _channels[0].CreateCallInvoker() : new FailoverInvoker([.. _channels.Select(channel => channel.CreateCallInvoker())]);
        Jobs = new Jobs.JobsClient(invoker);
        Workers = new Workers.WorkersClient(invoker);
        Corpora = new Corpora.CorporaClient(invoker);
        Tokens = new Tokens.TokensClient(invoker);
        Cluster = new Protocol.V1.Cluster.ClusterClient(invoker);
    }

    /// <summary>Where the coordinators answer.</summary>
    public CoordinatorAddresses Addresses { get; }

    /// <summary>Its jobs.</summary>
    public Jobs.JobsClient Jobs { get; }

    /// <summary>Its workers.</summary>
    public Workers.WorkersClient Workers { get; }

    /// <summary>Its corpora.</summary>
    public Corpora.CorporaClient Corpora { get; }

    /// <summary>Its tokens, and its audit log.</summary>
    public Tokens.TokensClient Tokens { get; }

    /// <summary>The cluster as a whole.</summary>
    public Protocol.V1.Cluster.ClusterClient Cluster { get; }

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
            ShouldHandle = new PredicateBuilder<SubmitResponse>().Handle<RpcException>(
                error => error.StatusCode == StatusCode.Unavailable && TlsFailures.Explain(error.Status.DebugException) is null),
            // A standby may take some seconds until it serves.
            MaxRetryAttempts = _channels.Count == 1 ? 4 : 6,
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
        : $"No coordinator answers at {Addresses.Words}";

    /// <inheritdoc/>
    public void Dispose()
    {
        _channels.ForEach(channel => channel.Dispose());
    }

    // A stream may be silent for hours: pings tell a quiet coordinator from one that is gone or stands still. Where there is
    // another to turn to, that is found out sooner.
    private static GrpcChannel Channel(CoordinatorAddress address, ClientTls tls, bool alone) => GrpcChannel.ForAddress(address.Uri, new GrpcChannelOptions
    {
        HttpHandler = new SocketsHttpHandler
        {
            ConnectTimeout = TimeSpan.FromSeconds(alone ? 5 : 2),
            KeepAlivePingDelay = TimeSpan.FromSeconds(alone ? 15 : 2),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(alone ? 10 : 3),
            UseProxy = false, // proxies do not speak HTTP/2 without TLS
            EnableMultipleHttp2Connections = true,
            SslOptions = TlsFailures.Telling(tls),
        },
        DisposeHttpClient = true,
        // By default a channel fails calls for ever longer after a connection that could not be made.
        InitialReconnectBackoff = TimeSpan.FromMilliseconds(200),
        MaxReconnectBackoff = TimeSpan.FromSeconds(alone ? 2 : 0.5),
        MaxReceiveMessageSize = WireLimits.MaxAssignmentBytes, // a long history, or a job file of a thousand globs
    });
}
