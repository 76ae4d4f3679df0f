using Grpc.Core;
using Grpc.Protocol;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client;

public sealed class GrpcChannelOptions
{
    /// <summary>By the address's scheme unless set.</summary>
    public ChannelCredentials? Credentials { get; set; }

    /// <summary>In bytes; null means no limit, which is the default.</summary>
    public int? MaxSendMessageSize { get; set; }

    /// <summary>In bytes, 4 MiB unless set; null means no limit.</summary>
    public int? MaxReceiveMessageSize { get; set; } = Framing.DefaultReceiveLimit;

    public ILoggerFactory? LoggerFactory { get; set; }

    /// <summary>Makes the requests; not together with <see cref="HttpHandler"/>.</summary>
    public HttpClient? HttpClient { get; set; }

    public HttpMessageHandler? HttpHandler { get; set; }

    /// <summary>Whether the channel disposes of the given client or handler; it always does of its own.</summary>
    public bool DisposeHttpClient { get; set; }

    /// <summary>Whether cancelled calls, and calls past their deadline, throw OperationCanceledException instead of RpcException.</summary>
    public bool ThrowOperationCanceledOnCancellation { get; set; }

    /// <summary>Whether call credentials are sent without TLS too.</summary>
    public bool UnsafeUseInsecureChannelCallCredentials { get; set; }

    /// <summary>The package's first wait after a failed connection attempt, 1 s unless set; here every call tries again at once.</summary>
    public TimeSpan InitialReconnectBackoff
    {
        get;
        set => field = Positive(value);
    } = TimeSpan.FromSeconds(1);

    /// <summary>The package's longest wait between connection attempts, 2 minutes unless set; here every call tries again at once.</summary>
    public TimeSpan? MaxReconnectBackoff
    {
        get;
        set => field = value is { } wait ? Positive(wait) : null;
    } = TimeSpan.FromMinutes(2);

    /// <summary>Gives a logger factory if none is set here.</summary>
    public IServiceProvider? ServiceProvider { get; set; }

    private static TimeSpan Positive(TimeSpan backoff) =>
        backoff > TimeSpan.Zero ? backoff : throw new ArgumentException($"A reconnect backoff is {backoff}; it has to be greater than zero.");
}
