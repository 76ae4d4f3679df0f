using Grpc.Core;

namespace Grpc.Net.Client;

/// <summary>The stream of responses of a call.</summary>
internal sealed class ResponseReader<TRequest, TResponse>(ClientCall<TRequest, TResponse> call) : IAsyncStreamReader<TResponse>
    where TRequest : class
    where TResponse : class
{
    private readonly Lock _lock = new();
    private Task<bool> _read = Task.FromResult(true);
    private Stream? _body;

    public TResponse Current { get; private set; } = default!;

    public Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        call.EnsureNotDisposed();
        lock (_lock)
        {
            if (!_read.IsCompleted)
            {
                return Task.FromException<bool>(
                    new InvalidOperationException("Can't read the next message because the previous read is still in progress."));
            }
            return _read = ReadAsync(cancellationToken);
        }
    }

    private async Task<bool> ReadAsync(CancellationToken cancellationToken)
    {
        Current = null!;
        if (call.Status is { } status)
        {
            return status.StatusCode == StatusCode.OK ? false : throw call.ToException(status);
        }
        await using var registration = call.CancelOn(cancellationToken);
        try
        {
            var response = await call.Http;
            if (call.Status is null)
            {
                _body ??= await response.Content.ReadAsStreamAsync(call.CancellationToken);
                if (await call.ReadAsync(response, _body) is { } message)
                {
                    Current = message;
                    return true;
                }
                call.End(response);
            }
        }
        catch (Exception e) when (!call.Http.IsFaulted)
        {
            throw call.Resolve("Error reading next message.", e, cancellationToken);
        }
        status = call.GetStatus();
        return status.StatusCode == StatusCode.OK ? false : throw call.ToException(status);
    }
}
