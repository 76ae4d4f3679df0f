using System.Runtime.ExceptionServices;

namespace Linformer.Training.Tasks;

/// <summary>
/// Reads micro-batches that were announced on a thread of its own, and others when they are asked for. What is given is the same
/// either way. Its members are for one thread.
/// </summary>
/// <typeparam name="T">A micro-batch.</typeparam>
/// <param name="read">Reads a micro-batch, given its first sample and their number; called from two threads, also at the same time.</param>
public sealed class Prefetcher<T>(Func<long, int, T> read) : IDisposable
    where T : class, IDisposable
{
    // Each takes memory, and who trains asks for one after the other.
    private const int MostAnnounced = 2;

    private readonly object _gate = new();
    private readonly Queue<Announced> _announced = new();
    private Thread? _thread;
    private bool _stopped;

    private enum State
    {
        Waiting,
        BeingRead,
        Read,
        Dropped,
    }

    /// <summary>Announces what is probably asked for next. More than two are forgotten.</summary>
    /// <param name="first">The first sample.</param>
    /// <param name="count">Samples.</param>
    public void Announce(long first, int count)
    {
        lock (_gate)
        {
            if (_stopped || _announced.Count == MostAnnounced)
            {
                return;
            }

            _announced.Enqueue(new Announced(first, count));
            Monitor.PulseAll(_gate);
        }

        if (_thread is null)
        {
            _thread = new Thread(ReadAnnounced) { IsBackground = true, Name = "batches" };
            _thread.Start();
        }
    }

    /// <summary>Gives a micro-batch. What was announced before it and was not asked for is forgotten.</summary>
    /// <param name="first">The first sample.</param>
    /// <param name="count">Samples.</param>
    /// <returns>The micro-batch, which belongs to the caller. Whatever reading it throws is thrown here.</returns>
    public T Take(long first, int count)
    {
        lock (_gate)
        {
            while (_announced.TryDequeue(out var announced))
            {
                if (announced.First != first || announced.Count != count)
                {
                    Drop(announced);
                }
                else if (announced.State == State.Waiting)
                {
                    // Sooner done here than waited for.
                    break;
                }
                else
                {
                    return WaitFor(announced);
                }
            }
        }

        return read(first, count);
    }

    /// <summary>Ends the thread; what it is reading is finished first.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _stopped = true;
            while (_announced.TryDequeue(out var announced))
            {
                Drop(announced);
            }

            Monitor.PulseAll(_gate);
        }

        _thread?.Join();
    }

    private T WaitFor(Announced announced)
    {
        while (announced.State == State.BeingRead)
        {
            Monitor.Wait(_gate);
        }

        announced.Error?.Throw();
        return announced.Batch!;
    }

    private static void Drop(Announced announced)
    {
        announced.State = State.Dropped;
        announced.Batch?.Dispose();
    }

    private void ReadAnnounced()
    {
        while (Next() is { } announced)
        {
            T? batch = null;
            ExceptionDispatchInfo? error = null;
            try
            {
                batch = read(announced.First, announced.Count);
            }
            catch (Exception e)
            {
                // For whoever asks for the batch.
                error = ExceptionDispatchInfo.Capture(e);
            }

            lock (_gate)
            {
                (announced.Batch, announced.Error) = (batch, error);
                if (announced.State == State.Dropped)
                {
                    batch?.Dispose();
                }
                else
                {
                    announced.State = State.Read;
                }

                Monitor.PulseAll(_gate);
            }
        }
    }

    private Announced? Next()
    {
        lock (_gate)
        {
            while (!_stopped)
            {
                foreach (var announced in _announced)
                {
                    if (announced.State == State.Waiting)
                    {
                        announced.State = State.BeingRead;
                        return announced;
                    }
                }

                Monitor.Wait(_gate);
            }

            return null;
        }
    }

    private sealed class Announced(long first, int count)
    {
        public long First { get; } = first;

        public int Count { get; } = count;

        public State State { get; set; }

        public T? Batch { get; set; }

        public ExceptionDispatchInfo? Error { get; set; }
    }
}
