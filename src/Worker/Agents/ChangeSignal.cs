namespace Linformer.Worker.Agents;

/// <summary>Wakes the one who sends. Many changes before it looks are one.</summary>
internal sealed class ChangeSignal : IDisposable
{
    private readonly SemaphoreSlim _semaphore = new(0, 1);
    private readonly Lock _gate = new();
    private bool _disposed;

    public void Set()
    {
        lock (_gate)
        {
            // What did not end in time when the agent left may still tell of something.
            if (!_disposed && _semaphore.CurrentCount == 0)
            {
                _semaphore.Release();
            }
        }
    }

    public Task WaitAsync(TimeSpan timeout, CancellationToken cancellationToken) =>
        _semaphore.WaitAsync(timeout > TimeSpan.Zero ? timeout : TimeSpan.Zero, cancellationToken);

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _semaphore.Dispose();
        }
    }
}
