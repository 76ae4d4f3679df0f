using System.Diagnostics;
using System.Threading.Channels;

namespace Linformer.Coordinator.Storage;

/// <summary>The one thread that writes. It takes what is queued, and commits it as one transaction, which checks the lease.</summary>
internal sealed class WriteQueue : IAsyncDisposable
{
    private const int Capacity = 4096;
    private const int GroupSize = 256;

    // How long writes wait for a database that is away before they fail.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMilliseconds(500);

    private readonly Connector _connector;
    private readonly Action<FencedException> _fenced;
    private readonly Channel<Write> _queue = Channel.CreateBounded<Write>(new BoundedChannelOptions(Capacity) { SingleReader = true });
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Session? _session;
    private long _awaySince;
    private bool _lapsed;

    /// <summary>Starts the thread.</summary>
    /// <param name="connector">The database.</param>
    /// <param name="fenced">Told when another coordinator has taken the lease.</param>
    public WriteQueue(Connector connector, Action<FencedException> fenced)
    {
        _connector = connector;
        _fenced = fenced;
        new Thread(Run) { IsBackground = true, Name = "Database writer" }.Start();
    }

    /// <summary>Queues a write; waits while the queue is full. A write that has begun is not taken back by a cancellation.</summary>
    public async Task<T> RunAsync<T>(Func<Session, T> write, CancellationToken cancellationToken)
    {
        var queued = new Write<T>(write, cancellationToken);
        try
        {
            await _queue.Writer.WriteAsync(queued, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            throw new StorageException($"The database {_connector.Name} is closed.");
        }
        return await queued.Task.WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _ended.Task;
    }

    private void Run()
    {
        var group = new List<Write>(GroupSize);
        // The thread is this queue's own, so it may block.
        while (_queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            group.Clear();
            while (group.Count < GroupSize && _queue.Reader.TryRead(out var write))
            {
                if (!write.DropIfCancelled())
                    group.Add(write);
            }
            if (group.Count > 0)
                Commit(group);
        }
        _session?.Dispose();
        _ended.SetResult();
    }

    private void Commit(List<Write> group)
    {
        var failure = CommitPatiently(group);
        if (failure is null)
        {
            group.ForEach(write => write.Complete());
            return;
        }
        if (failure is FencedException fenced)
            _fenced(fenced);
        // A write that is refused, or that the disk has no room for, must not take those beside it along.
        if (group.Count > 1 && failure is not (FencedException or DatabaseUnreachableException))
            group.ForEach(write => Commit([write]));
        else
            group.ForEach(write => write.Fail(failure));
    }

    // A write whose first try was committed although the connection broke meanwhile is repeated: all of them bear that.
    private Exception? CommitPatiently(List<Write> group)
    {
        var wait = FirstRetry;
        while (true)
        {
            var failure = TryCommit(group);
            if (failure is not DatabaseUnreachableException away)
            {
                (_awaySince, _lapsed) = (0, false);
                return failure;
            }
            // A database that is back is given the time to have the lease renewed.
            if (_awaySince == 0 || (away.LeaseLapsed && !_lapsed))
                _awaySince = Stopwatch.GetTimestamp();
            _lapsed = away.LeaseLapsed;
            if (Stopwatch.GetElapsedTime(_awaySince) > Patience || _queue.Reader.Completion.IsCompleted)
                return failure;
            Thread.Sleep(wait);
            wait = wait * 2 < LongestRetry ? wait * 2 : LongestRetry;
        }
    }

    private Exception? TryCommit(List<Write> group)
    {
        Exception failure;
        try
        {
            _session ??= _connector.OpenWriter();
            _session.BeginWrite();
            _connector.CheckLease(_session);
            group.ForEach(write => write.Run(_session));
            _session.Commit();
            return null;
        }
        catch (Exception exception)
        {
            failure = _connector.Explain(exception) ?? exception;
        }
        Rollback();
        return failure;
    }

    private void Rollback()
    {
        try
        {
            _session?.Rollback();
        }
        catch (Exception exception) when (_connector.Explain(exception) is not null)
        {
            // The connection is lost, or the database has undone the transaction itself, as SQLite does when the disk is full.
            _session?.Dispose();
            _session = null;
        }
    }

    private abstract class Write
    {
        public abstract bool DropIfCancelled();

        public abstract void Run(Session session);

        public abstract void Complete();

        public abstract void Fail(Exception exception);
    }

    private sealed class Write<T>(Func<Session, T> write, CancellationToken cancellationToken) : Write
    {
        private readonly TaskCompletionSource<T> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T _result = default!;

        public Task<T> Task => _completion.Task;

        public override bool DropIfCancelled() => cancellationToken.IsCancellationRequested && _completion.TrySetCanceled(cancellationToken);

        public override void Run(Session session) => _result = write(session);

        public override void Complete() => _completion.TrySetResult(_result);

        public override void Fail(Exception exception) => _completion.TrySetException(exception);
    }
}
