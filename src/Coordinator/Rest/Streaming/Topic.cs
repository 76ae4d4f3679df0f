using Grpc.Core;
using Serilog;

namespace Linformer.Coordinator.Rest.Streaming;

/// <summary>
/// Something that pages watch. It is read once for all of them, for as long as there is one; each holds nothing but a cursor, and
/// takes what is new to it when it can. One that is slow finds the newest state when it comes back.
/// </summary>
internal abstract class Topic(ILogger logger)
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly HashSet<Waker> _wakers = [];

    /// <summary>Why the topic is not there, or not any more; null while it is.</summary>
    public string? Gone { get; private set; }

    /// <summary>Guards what readers take and the topic's own loop changes.</summary>
    protected Lock Sync => _lock;

    /// <summary>How long to wait from one look to the next.</summary>
    protected abstract TimeSpan Interval { get; }

    /// <summary>Begins to watch.</summary>
    /// <param name="name">From which cursor on.</param>
    public abstract ITopicReader Open(TopicName name);

    /// <summary>Has a page woken whenever there is something new, until it is taken off.</summary>
    public void Add(Waker waker)
    {
        lock (_lock)
            _wakers.Add(waker);
    }

    /// <summary>Wakes the page no more.</summary>
    public void Remove(Waker waker)
    {
        lock (_lock)
            _wakers.Remove(waker);
    }

    /// <summary>Looks again and again until it is cancelled, or the topic is gone.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var pause = Interval;
            try
            {
                await RefreshAsync(cancellationToken);
            }
            catch (RpcException exception) when (exception.StatusCode is StatusCode.NotFound or StatusCode.Unimplemented)
            {
                Gone = exception.Status.Detail.Length > 0 ? exception.Status.Detail : "This coordinator does not have it.";
                Wake();
                return;
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                logger.Warning("What pages watch could not be read: {Reason:l}", exception.Message);
                pause = RetryAfter;
            }
            await Task.Delay(pause, cancellationToken);
        }
    }

    /// <summary>Looks once.</summary>
    protected abstract Task RefreshAsync(CancellationToken cancellationToken);

    /// <summary>Tells all who watch that there is something new.</summary>
    protected void Wake()
    {
        lock (_lock)
        {
            foreach (var waker in _wakers)
                waker.Wake();
        }
    }
}

/// <summary>A page's cursor in a topic.</summary>
internal interface ITopicReader
{
    /// <summary>The events that are new to the page, in order; none if nothing is.</summary>
    ValueTask<IReadOnlyList<ReadOnlyMemory<byte>>> NextAsync(CancellationToken cancellationToken);
}

/// <summary>Wakes one page, however many of its topics have something new.</summary>
internal sealed class Waker : IDisposable
{
    private readonly SemaphoreSlim _signal = new(0);

    /// <summary>Wakes it.</summary>
    public void Wake()
    {
        if (_signal.CurrentCount == 0)
            _signal.Release();
    }

    /// <summary>Waits to be woken.</summary>
    /// <param name="longest">At most so long.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task WaitAsync(TimeSpan longest, CancellationToken cancellationToken) => _signal.WaitAsync(longest, cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _signal.Dispose();
}
