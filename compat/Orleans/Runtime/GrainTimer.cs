namespace Orleans.Runtime;

/// <summary>A timer whose ticks are requests to its grain; the next tick is due only after the callback of the last has ended.</summary>
internal sealed class GrainTimer : IGrainTimer
{
    private readonly Activation _activation;
    private readonly Func<CancellationToken, Task> _callback;
    private readonly GrainTimerCreationOptions _options;
    private readonly CancellationTokenSource _disposed = new();
    private readonly Timer _timer;
    private TimeSpan _dueTime;
    private TimeSpan _period;
    private bool _changed;
    private volatile bool _firing;

    public GrainTimer(Activation activation, Func<CancellationToken, Task> callback, GrainTimerCreationOptions options)
    {
        _activation = activation;
        _callback = callback;
        _options = options;
        using (ExecutionContext.SuppressFlow())
        {
            _timer = new Timer(_ => SendTick(), state: null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }

        activation.Add(this);
    }

    public void Change(TimeSpan dueTime, TimeSpan period)
    {
        Check(dueTime, nameof(dueTime));
        Check(period, nameof(period));
        _dueTime = dueTime;
        _period = period;
        _changed = true;
        if (!_firing)
        {
            Schedule(dueTime);
        }
    }

    public void Dispose()
    {
        try
        {
            _disposed.Cancel();
        }
        catch (AggregateException exception)
        {
            _activation.Silo.LogTimerFailed(exception, _activation.GrainId);
        }

        _timer.Dispose();
        _activation.Remove(this);
    }

    private static void Check(TimeSpan time, string name)
    {
        const long Longest = 0xfffffffe;
        var milliseconds = (long)time.TotalMilliseconds;
        ArgumentOutOfRangeException.ThrowIfLessThan(milliseconds, -1, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(milliseconds, Longest, name);
    }

    private void Schedule(TimeSpan dueTime)
    {
        try
        {
            _timer.Change(dueTime, Timeout.InfiniteTimeSpan);
        }
        catch (ObjectDisposedException)
        {
            // Disposed meanwhile: no more ticks.
        }
    }

    private void SendTick()
    {
        _firing = true;
        _activation.TryEnqueue(new Request
        {
            Invoke = TickAsync,
            Interleaves = _options.Interleave,
            KeepsAlive = _options.KeepAlive,
            IsTimerTick = true,
        });
    }

    private async Task<object?> TickAsync(object grain, CancellationToken cancellationToken)
    {
        try
        {
            _changed = false;
            await _callback(_disposed.Token);
        }
        catch (Exception exception)
        {
            _activation.Silo.LogTimerFailed(exception, _activation.GrainId);
            throw;
        }
        finally
        {
            if (!_disposed.IsCancellationRequested)
            {
                Schedule(_changed ? _dueTime : _period);
            }

            _firing = false;
        }

        return null;
    }
}
