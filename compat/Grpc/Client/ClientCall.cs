using System.Buffers;
using System.Net.Http.Headers;
using Grpc.Core;
using Grpc.Protocol;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client;

/// <summary>
/// One call. Its status is set once, by whichever comes first: the server, a failure, cancellation, the deadline or disposal.
/// </summary>
internal sealed class ClientCall<TRequest, TResponse> : IDisposable
    where TRequest : class
    where TResponse : class
{
    private readonly Method<TRequest, TResponse> _method;
    private readonly TRequest? _request;
    private readonly CancellationTokenSource _cancellation = new();
    private readonly TaskCompletionSource<Status> _status = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<HttpResponseMessage> _http = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<TResponse> _response = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lazy<Task<Metadata>> _headers;
    private CancellationTokenRegistration _userCancellation;
    private Timer? _deadlineTimer;
    private Metadata? _trailers;
    private volatile bool _disposed;

    public ClientCall(GrpcChannel channel, Method<TRequest, TResponse> method, CallOptions options, TRequest? request)
    {
        if (options.Deadline is { } deadline
            && deadline != DateTime.MaxValue && deadline != DateTime.MinValue && deadline.Kind != DateTimeKind.Utc)
        {
            throw new InvalidOperationException(
                "Deadline must have a kind DateTimeKind.Utc or be equal to DateTime.MaxValue or DateTime.MinValue.");
        }
        Channel = channel;
        Options = options;
        _method = method;
        _request = request;
        _headers = new Lazy<Task<Metadata>>(ReadHeadersAsync);
        if (method.Type is MethodType.ClientStreaming or MethodType.DuplexStreaming)
        {
            Requests = new RequestWriter<TRequest, TResponse>(this);
        }
        if (method.Type is MethodType.ServerStreaming or MethodType.DuplexStreaming)
        {
            Responses = new ResponseReader<TRequest, TResponse>(this);
        }
        channel.Register(this);
    }

    public GrpcChannel Channel { get; }

    public CallOptions Options { get; }

    public RequestWriter<TRequest, TResponse>? Requests { get; }

    public ResponseReader<TRequest, TResponse>? Responses { get; }

    public Task<TResponse> Response => _response.Task;

    public Task<Metadata> Headers => _headers.Value;

    public Task<HttpResponseMessage> Http => _http.Task;

    /// <summary>Set when the call is over.</summary>
    public Status? Status => _status.Task.IsCompletedSuccessfully ? _status.Task.Result : null;

    public CancellationToken CancellationToken => _cancellation.Token;

    public Action<TRequest, SerializationContext> Serializer => _method.RequestMarshaller.ContextualSerializer;

    public bool ThrowsCancellation => Channel.Options.ThrowOperationCanceledOnCancellation;

    public void Start() => _ = RunAsync();

    public Status GetStatus() =>
        Status ?? throw new InvalidOperationException("Unable to get the status because the call is not complete.");

    public Metadata GetTrailers() =>
        _trailers ?? throw new InvalidOperationException("Can't get the call trailers because the call has not completed successfully.");

    public void Dispose()
    {
        _disposed = true;
        Cancel(new Status(StatusCode.Cancelled, "gRPC call disposed."));
        CleanUp();
        Observe(_response.Task);
    }

    public void EnsureNotDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);

    /// <summary>Ends the call with a status of its own making; the stream is reset, and the server told so.</summary>
    public void Cancel(Status status)
    {
        if (_status.TrySetResult(status))
        {
            _cancellation.Cancel();
            Requests?.Close();
            if (_http.Task.IsCompletedSuccessfully)
            {
                _http.Task.Result.Dispose();
            }
        }
    }

    /// <summary>Cancels the call when a token of one read or write fires.</summary>
    public CancellationTokenRegistration CancelOn(CancellationToken token) =>
        token.CanBeCanceled && token != Options.CancellationToken ? token.Register(CancelByClient, token) : default;

    /// <summary>Reads one message; null at the end, when the call's status is set.</summary>
    public async Task<TResponse?> ReadAsync(HttpResponseMessage response, Stream body)
    {
        var header = new byte[Framing.HeaderSize];
        var read = await body.ReadAtLeastAsync(header, header.Length, throwOnEndOfStream: false, CancellationToken);
        if (read == 0)
        {
            return null;
        }
        if (read < header.Length)
        {
            throw new InvalidDataException("Unexpected end of content while reading the message header.");
        }
        var length = Framing.ReadHeader(header, ResponseParts.Encoding(response), Channel.Options.MaxReceiveMessageSize);
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            if (await body.ReadAtLeastAsync(buffer.AsMemory(0, length), length, throwOnEndOfStream: false, CancellationToken) < length)
            {
                throw new InvalidDataException("Unexpected end of content while reading the message content.");
            }
            return _method.ResponseMarshaller.ContextualDeserializer(new MessagePayload(new ReadOnlySequence<byte>(buffer, 0, length)));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Sets the status that the response ends with.</summary>
    public void End(HttpResponseMessage response) => End(ResponseParts.FinalStatus(response), response.TrailingHeaders);

    public Exception ToException(Status status) =>
        ThrowsCancellation && status.StatusCode is StatusCode.DeadlineExceeded or StatusCode.Cancelled
            ? new OperationCanceledException(CanceledToken(CancellationToken.None))
            : new RpcException(status, _trailers ?? Metadata.Empty);

    /// <summary>What a write throws that the call's end has cut off.</summary>
    public Exception ToWriteException(Exception exception, CancellationToken token) =>
        Cancelled(Status ?? new Status(StatusCode.Cancelled, "", exception), exception, token);

    private CancellationToken CanceledToken(CancellationToken token) =>
        token.IsCancellationRequested ? token
        : Options.CancellationToken.IsCancellationRequested ? Options.CancellationToken
        : CancellationToken;

    /// <summary>What the caller is to be told of a failure; the call ends with it, unless it is over already.</summary>
    public Exception Resolve(string summary, Exception exception, CancellationToken token = default)
    {
        // Whatever breaks after the call's end, breaks because of it.
        if (Status is { } known && (_cancellation.IsCancellationRequested || exception is OperationCanceledException))
        {
            return Cancelled(known, exception, token);
        }
        var status = exception switch
        {
            RpcException rpc => rpc.Status,
            OperationCanceledException => new Status(StatusCode.Cancelled, "", exception),
            _ => ResponseParts.FromException(summary, exception),
        };
        if (status.StatusCode == StatusCode.Cancelled && Options.Deadline <= DateTime.UtcNow)
        {
            // The server's reset at the deadline may come before this side's timer.
            status = new Status(StatusCode.DeadlineExceeded, status.Detail, status.DebugException);
        }
        Cancel(status);
        return exception is OperationCanceledException
            ? Cancelled(status, exception, token)
            : new RpcException(Status ?? status, _trailers ?? Metadata.Empty);
    }

    private Exception Cancelled(Status status, Exception exception, CancellationToken token) =>
        ThrowsCancellation && status.StatusCode is StatusCode.DeadlineExceeded or StatusCode.Cancelled
            ? new OperationCanceledException(exception.Message, exception, CanceledToken(token))
            : new RpcException(status, _trailers ?? Metadata.Empty);

    /// <summary>A server's CANCELLED is no cancellation where there is one response.</summary>
    private Exception ToSingleException(Status status) =>
        status.StatusCode == StatusCode.Cancelled ? new RpcException(status, _trailers ?? Metadata.Empty) : ToException(status);

    private async Task RunAsync()
    {
        try
        {
            using var request = ClientRequest.Create(
                Channel, _method, Options, TimeLeft(), new RequestContent(Requests == null ? WriteRequestAsync : Requests.RunAsync));
            Arm();
            await ClientRequest.AddCredentialsAsync(request, Channel, _method, Options, CancellationToken);
            CancellationToken.ThrowIfCancellationRequested();
            var response = Channel.Http is HttpClient client
                ? await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, CancellationToken)
                : await Channel.Http.SendAsync(request, CancellationToken);

            if (ResponseParts.EarlyStatus(response) is { } early)
            {
                if (Responses == null && early.StatusCode == StatusCode.OK)
                {
                    early = new Status(StatusCode.Internal, "Failed to deserialize response message. The response has a status of OK and no message.");
                }
                try
                {
                    // Before a reader may look at the response.
                    End(early, response.Headers);
                }
                finally
                {
                    _http.TrySetResult(response);
                }
                Fail(ToSingleException(early));
            }
            else
            {
                _http.TrySetResult(response);
                if (Responses == null)
                {
                    await FinishSingleAsync(response);
                }
            }
            await _status.Task;
        }
        catch (Exception e)
        {
            var resolved = Resolve("Error starting gRPC call.", e);
            _http.TrySetException(resolved);
            Fail(resolved);
        }
        CleanUp();
        Observe(_http.Task);
        Log();
    }

    private async Task FinishSingleAsync(HttpResponseMessage response)
    {
        var body = await response.Content.ReadAsStreamAsync(CancellationToken);
        var message = await ReadAsync(response, body);
        if (message != null && await body.ReadAsync(new byte[1], CancellationToken) > 0)
        {
            throw new InvalidDataException("Unexpected data after finished reading message.");
        }
        var status = ResponseParts.FinalStatus(response);
        if (message == null && status.StatusCode == StatusCode.OK)
        {
            status = new Status(StatusCode.Internal, "Failed to deserialize response message.");
        }
        End(status, response.TrailingHeaders);
        if (status.StatusCode == StatusCode.OK)
        {
            _response.TrySetResult(message!);
        }
        else
        {
            Fail(ToSingleException(status));
        }
    }

    private void End(Status status, HttpHeaders trailers)
    {
        try
        {
            _trailers = ResponseParts.ToMetadata(trailers);
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            Channel.Log.LogError(e, "The trailers of {Method} are not valid", _method.FullName);
        }
        if (!_status.TrySetResult(status))
        {
            throw new OperationCanceledException("The call was over before its response.");
        }
        Requests?.Close();
    }

    private void Fail(Exception exception)
    {
        _response.TrySetException(exception);
        if (Responses != null || Status is { StatusCode: StatusCode.Cancelled or StatusCode.DeadlineExceeded })
        {
            Observe(_response.Task);
        }
    }

    private async Task WriteRequestAsync(Stream body)
    {
        var message = new ArrayBufferWriter<byte>();
        Serializer(_request!, new MessageWriter(message, Channel.Options.MaxSendMessageSize));
        await body.WriteAsync(message.WrittenMemory, CancellationToken);
    }

    private TimeSpan? TimeLeft()
    {
        if (Options.Deadline is not { } deadline || deadline == DateTime.MaxValue)
        {
            return null;
        }
        var left = deadline - DateTime.UtcNow;
        return left < Wire.MaxTimeout ? left : Wire.MaxTimeout;
    }

    private void Arm()
    {
        if (TimeLeft() is { } left)
        {
            if (left <= TimeSpan.Zero)
            {
                Cancel(new Status(StatusCode.DeadlineExceeded, ""));
                return;
            }
            _deadlineTimer = new Timer(_ => OnDeadlineTimer());
            SetTimer(left);
        }
        _userCancellation = Options.CancellationToken.Register(CancelByClient, Options.CancellationToken);
    }

    private void OnDeadlineTimer()
    {
        if (TimeLeft() is { } left && left > TimeSpan.Zero)
        {
            SetTimer(left);
        }
        else
        {
            Cancel(new Status(StatusCode.DeadlineExceeded, ""));
        }
    }

    /// <summary>Timers take 49 days at most, and may fire a little early.</summary>
    private void SetTimer(TimeSpan left) =>
        _deadlineTimer?.Change(
            left < TimeSpan.FromDays(1) ? left + TimeSpan.FromMilliseconds(1) : TimeSpan.FromDays(1), Timeout.InfiniteTimeSpan);

    private void CancelByClient(object? token) =>
        Cancel(new Status(StatusCode.Cancelled, "Call canceled by the client.", new OperationCanceledException((CancellationToken)token!)));

    private Task<Metadata> ReadHeadersAsync()
    {
        var headers = ReadAsync();
        Observe(headers);
        return headers;

        async Task<Metadata> ReadAsync() => ResponseParts.ToMetadata((await _http.Task).Headers);
    }

    private void CleanUp()
    {
        Channel.Unregister(this);
        _userCancellation.Dispose();
        _deadlineTimer?.Dispose();
        if (_http.Task.IsCompletedSuccessfully)
        {
            _http.Task.Result.Dispose();
        }
    }

    private void Log()
    {
        var status = GetStatus();
        if (status.StatusCode != StatusCode.OK)
        {
            Channel.Log.LogInformation(
                status.DebugException, "Call of {Method} ended with {StatusCode}: {Detail}", _method.FullName, status.StatusCode, status.Detail);
        }
    }

    /// <summary>Keeps a failure that nobody looks at from being reported as unobserved.</summary>
    private static void Observe(Task task) => _ = task.ContinueWith(
        t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
}
