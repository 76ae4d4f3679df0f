using System.Buffers;
using Grpc.Core;
using Grpc.Protocol;

namespace Grpc.Net.Client;

/// <summary>The stream of requests of a call; a write ends when the server's flow control has taken the message.</summary>
internal sealed class RequestWriter<TRequest, TResponse>(ClientCall<TRequest, TResponse> call) : IClientStreamWriter<TRequest>
    where TRequest : class
    where TResponse : class
{
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource<Stream> _body = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _write = Task.CompletedTask;
    private bool _completed;

    public WriteOptions? WriteOptions { get; set; } = call.Options.WriteOptions;

    /// <summary>Holds the request open until the stream is completed or the call is over.</summary>
    public async Task RunAsync(Stream body)
    {
        // Sends the headers, so that the server can begin.
        await body.FlushAsync(call.CancellationToken);
        _body.TrySetResult(body);
        await _end.Task;
    }

    public Task WriteAsync(TRequest message) => WriteAsync(message, CancellationToken.None);

    public Task WriteAsync(TRequest message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        call.EnsureNotDisposed();
        lock (_lock)
        {
            if (_completed)
            {
                return Task.FromException(new InvalidOperationException("Request stream has already been completed."));
            }
            if (call.Status is { } status)
            {
                return Task.FromException(call.ToException(status));
            }
            if (!_write.IsCompleted)
            {
                return Task.FromException(
                    new InvalidOperationException("Can't write the message because the previous write is in progress."));
            }
            return _write = WriteToBodyAsync(message, cancellationToken);
        }
    }

    public Task CompleteAsync()
    {
        call.EnsureNotDisposed();
        lock (_lock)
        {
            if (!_write.IsCompleted)
            {
                return Task.FromException(
                    new InvalidOperationException("Can't complete the client stream writer because the previous write is in progress."));
            }
            _completed = true;
            _end.TrySetResult();
        }
        return Task.CompletedTask;
    }

    /// <summary>Ends what waits, once the call is over.</summary>
    public void Close()
    {
        _body.TrySetCanceled();
        _end.TrySetCanceled();
    }

    private async Task WriteToBodyAsync(TRequest message, CancellationToken cancellationToken)
    {
        await using var registration = call.CancelOn(cancellationToken);
        try
        {
            var body = await _body.Task;
            var buffer = new ArrayBufferWriter<byte>();
            call.Serializer(message, new MessageWriter(buffer, call.Channel.Options.MaxSendMessageSize));
            await body.WriteAsync(buffer.WrittenMemory, call.CancellationToken);
            await body.FlushAsync(call.CancellationToken);
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            throw call.ToWriteException(e, cancellationToken);
        }
    }
}
