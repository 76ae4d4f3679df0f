using System.Collections.Concurrent;

namespace Linformer.Training.ProcessGroups;

/// <summary>
/// Runs the operations of one group in the order in which they are called, on a thread of its own,
/// so that the caller computes meanwhile. The first failure ends all that are queued.
/// </summary>
internal sealed class CommunicationThread : IDisposable
{
    private readonly BlockingCollection<Work> _queue = [];
    private readonly Action _last;
    private readonly Thread _thread;
    private Failure? _failure;
    private int _unfinished;

    /// <summary>Starts the thread.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="last">What it does before it ends, whether the group has failed or not; throws nothing.</param>
    public CommunicationThread(string name, Action last)
    {
        _last = last;
        _thread = new Thread(RunAll) { IsBackground = true, Name = name };
        _thread.Start();
    }

    /// <summary>Whether operations are queued or running.</summary>
    public bool IsBusy => Volatile.Read(ref _unfinished) > 0;

    /// <summary>Why no more operation starts; null while they do.</summary>
    public Failure? Failure => Volatile.Read(ref _failure);

    /// <summary>Queues an operation.</summary>
    /// <param name="operation">What it is, for messages.</param>
    /// <param name="body">Does it.</param>
    /// <param name="held">Disposed when it has ended.</param>
    public IWork Start(ProcessGroupOperation operation, Action body, params IDisposable[] held)
    {
        var work = new Work(operation, body, held);
        Interlocked.Increment(ref _unfinished);
        _queue.Add(work);
        return work;
    }

    /// <summary>Makes every operation fail that has not begun. The first call counts.</summary>
    public void Fail(Failure failure) => Interlocked.CompareExchange(ref _failure, failure, comparand: null);

    /// <summary>Waits until what is queued has ended, and the last thing is done; ends the thread.</summary>
    public void Dispose()
    {
        _queue.CompleteAdding();
        _thread.Join();
        _queue.Dispose();
    }

    private void RunAll()
    {
        foreach (var work in _queue.GetConsumingEnumerable())
        {
            var failure = Failure ?? Run(work);
            Interlocked.Decrement(ref _unfinished);
            work.Complete(failure);
        }

        _last();
    }

    private Failure? Run(Work work)
    {
        try
        {
            work.Body();
            return null;
        }
#pragma warning disable CA1031 // A rendezvous store may throw anything, and unhandled here it would end the process.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            Fail(Failure.Of(exception, work.Operation));
            return Failure;
        }
    }
}
