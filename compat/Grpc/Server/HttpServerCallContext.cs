using System.Net.Sockets;
using Grpc.Core;
using Grpc.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;

namespace Grpc.AspNetCore.Server;

/// <summary>A call over an HTTP request.</summary>
internal sealed class HttpServerCallContext(HttpContext http, GrpcServiceOptions options) : ServerCallContext, IAsyncDisposable
{
    private static readonly HashSet<string> HiddenHeaders = new(StringComparer.OrdinalIgnoreCase)
    {
        Wire.Encoding, Wire.AcceptEncoding, Wire.Timeout, "content-encoding", "content-type", "te", "host", "accept-encoding",
    };

    private readonly MessageReader _messages = new(http, options.MaxReceiveMessageSize);
    private CallDeadline? _deadline;
    private Metadata? _requestHeaders;
    private Metadata? _responseTrailers;

    public HttpContext Http => http;

    public MessageReader Messages => _messages;

    public bool IsOver => http.RequestAborted.IsCancellationRequested;

    protected override string MethodCore => http.Request.Path.Value!;

    protected override string HostCore => http.Request.Host.Value!;

    protected override DateTime DeadlineCore => _deadline?.Deadline ?? DateTime.MaxValue;

    protected override CancellationToken CancellationTokenCore => _deadline?.CancellationToken ?? http.RequestAborted;

    protected override Metadata RequestHeadersCore => _requestHeaders ??= ReadHeaders();

    protected override Metadata ResponseTrailersCore => _responseTrailers ??= [];

    protected override Status StatusCore { get; set; }

    protected override WriteOptions? WriteOptionsCore { get; set; }

    protected override AuthContext AuthContextCore => PeerCertificate.ToAuthContext(http.Connection.ClientCertificate);

    protected override IDictionary<object, object> UserStateCore => http.Items!;

    protected override string PeerCore
    {
        get
        {
            var connection = http.Connection;
            return connection.RemoteIpAddress switch
            {
                null => "unknown",
                { AddressFamily: AddressFamily.InterNetwork } ip => $"ipv4:{ip}:{connection.RemotePort}",
                { AddressFamily: AddressFamily.InterNetworkV6 } ip => $"ipv6:[{ip}]:{connection.RemotePort}",
                var ip => $"unknown:{ip}:{connection.RemotePort}",
            };
        }
    }

    public void StartDeadline(ILogger log)
    {
        if (http.Request.Headers.TryGetValue(Wire.Timeout, out var header))
        {
            if (Wire.DecodeTimeout(header) is { } timeout)
            {
                _deadline = new CallDeadline(http, timeout, log);
            }
            else
            {
                log.LogDebug("The timeout '{Timeout}' of a request is not valid and is ignored.", header.ToString());
            }
        }
    }

    public async Task<T> ReadSingleAsync<T>(Func<DeserializationContext, T> deserializer)
        where T : class
    {
        var message = await _messages.ReadAsync(deserializer, CancellationToken.None)
            ?? throw new RpcException(new Status(StatusCode.Internal, "Incomplete message."));
        await _messages.ExpectEndAsync();
        return message;
    }

    public async Task WriteSingleAsync<T>(T? message, Action<T, SerializationContext> serializer)
        where T : class
    {
        if (message == null)
        {
            throw new RpcException(new Status(StatusCode.Cancelled, "No message returned from method."));
        }
        if (_deadline is not { IsPast: true })
        {
            await WriteAsync(message, serializer, flush: false, CancellationToken.None);
        }
    }

    public async Task WriteAsync<T>(
        T message, Action<T, SerializationContext> serializer, bool flush, CancellationToken cancellationToken)
        where T : class
    {
        if (!http.Response.HasStarted)
        {
            await http.Response.StartAsync(cancellationToken);
        }
        serializer(message, new MessageWriter(http.Response.BodyWriter, options.MaxSendMessageSize));
        if (flush)
        {
            var result = await http.Response.BodyWriter.FlushAsync(cancellationToken);
            if (!result.IsCompleted)
            {
                CancellationToken.ThrowIfCancellationRequested();
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
    }

    /// <summary>Sets the status that the handler's exception stands for.</summary>
    public void Fail(Exception exception, IMethod method, ILogger log)
    {
        if (exception is RpcException rpc)
        {
            log.LogInformation("{Method} ends with {StatusCode}: {Detail}", method.FullName, rpc.StatusCode, rpc.Status.Detail);
            foreach (var entry in rpc.Trailers)
            {
                ResponseTrailers.Add(entry);
            }
            Status = rpc.Status;
            return;
        }
        var cancelled = exception is OperationCanceledException or IOException && CancellationToken.IsCancellationRequested;
        log.Log(cancelled ? LogLevel.Information : LogLevel.Error, exception, "{Method} threw an exception", method.FullName);
        var detail = "Exception was thrown by handler.";
        if (options.EnableDetailedErrors == true)
        {
            detail += " " + Wire.Describe(exception);
        }
        Status = new Status(StatusCode.Unknown, detail, exception);
    }

    /// <summary>Sends the status and the trailers, unless the deadline has sent its own.</summary>
    public async Task EndAsync()
    {
        if (_deadline == null || await _deadline.TryEndCallAsync())
        {
            if (_responseTrailers != null)
            {
                Responses.Append(Responses.TrailersOf(http.Response), _responseTrailers);
            }
            Responses.SetStatus(http.Response, Status);
        }
    }

    public void AllowLongResponses() => http.Features.Get<IHttpRequestTimeoutFeature>()?.DisableTimeout();

    /// <summary>A stream of requests may be slow, and has no limit as a whole.</summary>
    public void AllowLongRequests()
    {
        AllowLongResponses();
        if (http.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
        {
            rate.MinDataRate = null;
        }
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_deadline != null)
        {
            await _deadline.DisposeAsync();
        }
    }

    protected override async Task WriteResponseHeadersAsyncCore(Metadata responseHeaders)
    {
        ArgumentNullException.ThrowIfNull(responseHeaders);
        if (http.Response.HasStarted)
        {
            throw new InvalidOperationException("Response headers can only be sent once per call.");
        }
        Responses.Append(http.Response.Headers, responseHeaders);
        await http.Response.BodyWriter.FlushAsync();
    }

    protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options) =>
        throw new NotImplementedException("Contexts are not propagated.");

    private Metadata ReadHeaders()
    {
        var metadata = new Metadata();
        foreach (var (name, value) in http.Request.Headers)
        {
            if (name.StartsWith(':') || HiddenHeaders.Contains(name))
            {
                continue;
            }
            if (name.EndsWith(Metadata.BinaryHeaderSuffix, StringComparison.OrdinalIgnoreCase))
            {
                metadata.Add(name, Wire.DecodeBinary(value.ToString()));
            }
            else
            {
                metadata.Add(name, value.ToString());
            }
        }
        return metadata;
    }
}
