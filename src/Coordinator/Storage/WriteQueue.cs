using System.Threading.Channels;
using Microsoft.Data.Sqlite;

namespace Linformer.Coordinator.Storage;

/// <summary>The one thread that writes. It takes what is queued, and commits it as one transaction, which checks the epoch.</summary>
internal sealed class WriteQueue : IAsyncDisposable
{
    private const int Capacity = 4096;
    private const int GroupSize = 256;

    private readonly Session _session;
    private readonly string _path;
    private readonly long _epoch;
    private readonly Channel<Write> _queue = Channel.CreateBounded<Write>(new BoundedChannelOptions(Capacity) { SingleReader = true });
    private readonly CancellationTokenSource _fenced = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Starts the thread, which owns the session.</summary>
    public WriteQueue(Session session, string path, long epoch)
    {
        _session = session;
        _path = path;
        _epoch = epoch;
        Fenced = _fenced.Token;
        new Thread(Run) { IsBackground = true, Name = "SQLite writer" }.Start();
    }

    /// <summary>Fires when another coordinator has taken the lease.</summary>
    public CancellationToken Fenced { get; }

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
            throw new StorageException($"The database {_path} is closed.");
        }
        return await queued.Task.WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _ended.Task;
        _fenced.Dispose();
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
        _session.Dispose();
        _ended.SetResult();
    }

    private void Commit(List<Write> group)
    {
        Exception failure;
        try
        {
            _session.Execute("BEGIN IMMEDIATE");
            Lease.Check(_session, _path, _epoch);
            foreach (var write in group)
                RunOne(write);
            _session.Execute("COMMIT");
            group.ForEach(write => write.Complete());
            return;
        }
        catch (SqliteException exception)
        {
            failure = StorageException.From(_path, exception);
        }
        catch (Exception exception)
        {
            failure = exception;
        }
        Rollback();
        if (failure is FencedException)
            _ = _fenced.CancelAsync();
        // A write that the disk has no room for must not take the smaller ones beside it along.
        if (group.Count > 1 && failure is not FencedException)
            group.ForEach(write => Commit([write]));
        else
            group.ForEach(write => write.Fail(failure));
    }

    private void RunOne(Write write)
    {
        _session.Execute("SAVEPOINT one");
        try
        {
            write.Run(_session);
        }
        catch (Exception exception) when (exception is not SqliteException)
        {
            _session.Execute("ROLLBACK TO one");
            write.Refuse(exception);
        }
        _session.Execute("RELEASE one");
    }

    private void Rollback()
    {
        try
        {
            _session.Execute("ROLLBACK");
        }
        catch (SqliteException)
        {
            // SQLite has rolled back itself, as it does when the disk is full.
        }
    }

    private abstract class Write
    {
        public abstract bool DropIfCancelled();

        public abstract void Run(Session session);

        public abstract void Refuse(Exception exception);

        public abstract void Complete();

        public abstract void Fail(Exception exception);
    }

    private sealed class Write<T>(Func<Session, T> write, CancellationToken cancellationToken) : Write
    {
        private readonly TaskCompletionSource<T> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T _result = default!;
        private Exception? _refusal;

        public Task<T> Task => _completion.Task;

        public override bool DropIfCancelled() => cancellationToken.IsCancellationRequested && _completion.TrySetCanceled(cancellationToken);

        public override void Run(Session session)
        {
            _refusal = null;
            _result = write(session);
        }

        public override void Refuse(Exception exception) => _refusal = exception;

        public override void Complete()
        {
            if (_refusal is null)
                _completion.TrySetResult(_result);
            else
                _completion.TrySetException(_refusal);
        }

        public override void Fail(Exception exception) => _completion.TrySetException(exception);
    }
}
