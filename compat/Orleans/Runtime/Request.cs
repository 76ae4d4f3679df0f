namespace Orleans.Runtime;

/// <summary>One call of a grain's method, or one tick of its timer (which has no method, nobody waiting, and never expires).</summary>
internal sealed class Request
{
    private readonly TaskCompletionSource<object?> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _callee = new();
    private CancellationTokenRegistration _registration;
    private Timer? _timer;
    private long _deadline = long.MaxValue;
    private bool _callerHasCancelled;

    public required Func<object, CancellationToken, Task<object?>> Invoke { get; init; }

    public bool Interleaves { get; init; }

    public bool KeepsAlive { get; init; } = true;

    public bool IsTimerTick { get; init; }

    /// <summary>How often the request was sent on by an activation that had ended.</summary>
    public int Forwarded { get; set; }

    /// <summary>Where the request is; a cancelled caller signals it there.</summary>
    public Activation? Activation { get; set; }

    /// <summary>Set before the request may have come to an activation, which then looks here.</summary>
    public bool CallerHasCancelled => Volatile.Read(ref _callerHasCancelled);

    public CancellationToken CalleeToken => _callee.Token;

    public Task<object?> Completion => _completion.Task;

    public bool IsExpired => Environment.TickCount64 >= _deadline;

    /// <summary>Ends the caller's waiting at the time-out, and at once when the caller's token is cancelled; the callee goes on.</summary>
    public void Watch(TimeSpan timeout, bool dropWhenExpired, bool cancelOnTimeout, string description, CancellationToken caller)
    {
        if (timeout != Timeout.InfiniteTimeSpan)
        {
            _deadline = dropWhenExpired ? Environment.TickCount64 + (long)timeout.TotalMilliseconds : long.MaxValue;
            _timer = new Timer(
                _ =>
                {
                    if (Fail(new TimeoutException($"Response did not arrive on time in {timeout} for message: {description}. ")) && cancelOnTimeout)
                    {
                        Activation?.Cancel(this);
                    }
                },
                state: null,
                timeout,
                Timeout.InfiniteTimeSpan);
        }

        if (caller.CanBeCanceled)
        {
            _registration = caller.UnsafeRegister(
                _ =>
                {
                    if (Fail(new OperationCanceledException(caller)))
                    {
                        Volatile.Write(ref _callerHasCancelled, true);
                        Activation?.Cancel(this);
                    }
                },
                state: null);
        }
    }

    public bool Complete(object? result)
    {
        Release();
        return _completion.TrySetResult(result);
    }

    public bool Fail(Exception exception)
    {
        Release();
        return _completion.TrySetException(exception);
    }

    public void CancelCallee()
    {
        try
        {
            _callee.Cancel();
        }
        catch (AggregateException)
        {
            // What the grain registered on its token failed; its own business, as in the real package.
        }
    }

    private void Release()
    {
        _timer?.Dispose();
        _registration.Unregister();
    }
}
