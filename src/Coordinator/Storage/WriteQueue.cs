using System.Diagnostics;
using System.Threading.Channels;
using Linformer.Coordinator.Telemetry;

namespace Linformer.Coordinator.Storage;

/// <summary>
/// The one thread that writes. It takes what is queued, and commits it as one transaction, which checks the lease. What there may be much
/// of goes by a queue of its own: a group takes the other writes first, and then only so much of it that the next ones need not wait long.
/// </summary>
internal sealed class WriteQueue : IAsyncDisposable
{
    private const int Capacity = 4096;
    private const int GroupSize = 256;
    private const int BulkItemsOfGroup = 2000;

    // How long writes wait for a database that is away before they fail.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMilliseconds(500);

    private readonly Connector _connector;
    private readonly Action<FencedException> _fenced;
    private readonly Channel<Write> _queue = Channel.CreateBounded<Write>(new BoundedChannelOptions(Capacity) { SingleReader = true });
    private readonly Channel<Write> _bulk = Channel.CreateBounded<Write>(new BoundedChannelOptions(Capacity) { SingleReader = true });
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Session? _session;
    private long _commits;
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

    /// <summary>Writes that wait.</summary>
    public int Queued => _queue.Reader.Count + _bulk.Reader.Count;

    /// <summary>How often something was committed.</summary>
    public long Commits => Volatile.Read(ref _commits);

    /// <summary>Queues a write; waits while the queue is full. A write that has begun is not taken back by a cancellation.</summary>
    public Task<T> RunAsync<T>(Func<Session, T> write, CancellationToken cancellationToken) =>
        EnqueueAsync(_queue, new Write<T>(write, items: 0, cancellationToken), cancellationToken);

    /// <summary>Queues a write that no other depends on: any write that is queued by <see cref="RunAsync{T}"/> meanwhile may come before it.</summary>
    /// <param name="write">The write.</param>
    /// <param name="items">About how many rows it writes.</param>
    /// <param name="cancellationToken">As there.</param>
    public Task<T> RunBulkAsync<T>(Func<Session, T> write, int items, CancellationToken cancellationToken) =>
        EnqueueAsync(_bulk, new Write<T>(write, items, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        _bulk.Writer.TryComplete();
        _wake.Writer.TryComplete();
        await _ended.Task;
    }

    private async Task<T> EnqueueAsync<T>(Channel<Write> queue, Write<T> write, CancellationToken cancellationToken)
    {
        try
        {
            await queue.Writer.WriteAsync(write, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            throw new StorageException($"The database {_connector.Name} is closed.");
        }
        _wake.Writer.TryWrite(true);
        return await write.Task.WaitAsync(cancellationToken);
    }

    private void Run()
    {
        var group = new List<Write>(GroupSize);
        bool more;
        do
        {
            // The thread is this queue's own, so it may block.
            more = _wake.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult();
            _wake.Reader.TryRead(out _);
            while (Gather(group))
                Commit(group);
        }
        while (more);
        _session?.Dispose();
        _ended.SetResult();
    }

    private bool Gather(List<Write> group)
    {
        group.Clear();
        while (group.Count < GroupSize && _queue.Reader.TryRead(out var write))
            Add(group, write);
        for (var items = 0; group.Count < GroupSize && items < BulkItemsOfGroup && _bulk.Reader.TryRead(out var write);)
            items += Add(group, write) ? write.Items : 0;
        return group.Count > 0;
    }

    private static bool Add(List<Write> group, Write write)
    {
        if (write.DropIfCancelled())
            return false;
        group.Add(write);
        return true;
    }

    private void Commit(List<Write> group)
    {
        var began = Stopwatch.GetTimestamp();
        var failure = CommitPatiently(group);
        CoordinatorInstruments.CountWrite(began, failed: failure is not null);
        if (failure is null)
        {
            Interlocked.Increment(ref _commits);
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

    private abstract class Write(int items)
    {
        /// <summary>About how many rows it writes; 0 for few.</summary>
        public int Items => items;

        public abstract bool DropIfCancelled();

        public abstract void Run(Session session);

        public abstract void Complete();

        public abstract void Fail(Exception exception);
    }

    private sealed class Write<T>(Func<Session, T> write, int items, CancellationToken cancellationToken) : Write(items)
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
