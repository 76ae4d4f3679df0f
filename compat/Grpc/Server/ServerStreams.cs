using Grpc.Core;
using Grpc.Protocol;
using Microsoft.AspNetCore.Http.Features;

namespace Grpc.AspNetCore.Server;

/// <summary>The stream of requests that a handler reads; over when the handler is.</summary>
internal sealed class RequestReader<TRequest>(HttpServerCallContext call, Func<DeserializationContext, TRequest> deserializer)
    : IAsyncStreamReader<TRequest>, IDisposable
    where TRequest : class
{
    private bool _over;

    public TRequest Current { get; private set; } = default!;

    public async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (_over || call.IsOver)
        {
            throw new InvalidOperationException("Can't read messages after the request is complete.");
        }
        Current = null!;
        Current = (await call.Messages.ReadAsync(deserializer, cancellationToken))!;
        return Current != null;
    }

    public void Dispose() => _over = true;
}

/// <summary>The stream of responses that a handler writes; a write ends when the client's flow control has taken the message.</summary>
internal sealed class ResponseWriter<TResponse>(HttpServerCallContext call, Action<TResponse, SerializationContext> serializer)
    : IServerStreamWriter<TResponse>, IDisposable
    where TResponse : class
{
    private readonly Lock _lock = new();
    private Task _write = Task.CompletedTask;
    private bool _over;

    public WriteOptions? WriteOptions
    {
        get => call.WriteOptions;
        set => call.WriteOptions = value;
    }

    public Task WriteAsync(TResponse message) => WriteAsync(message, CancellationToken.None);

    public async Task WriteAsync(TResponse message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        await using var registration = cancellationToken.Register(
            () => call.Http.Features.Get<IHttpResetFeature>()?.Reset(Wire.ResetCancel));
        cancellationToken.ThrowIfCancellationRequested();
        Task write;
        lock (_lock)
        {
            if (_over || call.IsOver)
            {
                throw new InvalidOperationException("Can't write the message because the request is complete.");
            }
            if (!_write.IsCompleted)
            {
                throw new InvalidOperationException("Can't write the message because the previous write is in progress.");
            }
            var flush = WriteOptions?.Flags.HasFlag(WriteFlags.BufferHint) != true;
            write = _write = call.WriteAsync(message, serializer, flush, cancellationToken);
        }
        await write;
    }

    public void Dispose() => _over = true;
}
