using Linformer.Training.ProcessGroups.Nccl;

namespace Linformer.Training.ProcessGroups;

/// <summary>An operation on the queue of a <see cref="CommunicationThread"/>.</summary>
internal sealed class Work(ProcessGroupOperation operation, Action body, IDisposable[] held) : IWork
{
    private readonly object _lock = new();
    private volatile bool _completed;
    private Failure? _failure;

    public ProcessGroupOperation Operation => operation;

    public Action Body => body;

    public bool IsCompleted => _completed;

    public void Wait()
    {
        lock (_lock)
        {
            while (!_completed)
            {
                Monitor.Wait(_lock);
            }
        }

        if (_failure is { } failure)
        {
            throw failure.ToException(operation);
        }
    }

    /// <summary>Ends it, with a failure or, if null, well.</summary>
    public void Complete(Failure? failure)
    {
        foreach (var item in held)
        {
            item.Dispose();
        }

        _failure = failure;
        lock (_lock)
        {
            _completed = true;
            Monitor.PulseAll(_lock);
        }
    }
}

/// <summary>Why a group is of no more use. Every operation from then on ends with it.</summary>
internal sealed class Failure
{
    private readonly string _message;
    private readonly Exception? _cause;
    private readonly ProcessGroupOperation? _first;
    private readonly int? _peer;
    private readonly Kind _kind;

    private Failure(string message, Exception? cause, ProcessGroupOperation? first, int? peer, Kind kind)
    {
        _message = message;
        _cause = cause;
        _first = first;
        _peer = peer;
        _kind = kind;
    }

    private enum Kind
    {
        Ordinary,
        Abort,
        Gpu,
    }

    public static Failure Abort(Exception? reason)
        => new("aborted", reason, first: null, peer: null, Kind.Abort);

    /// <summary>What the first operation that failed threw.</summary>
    public static Failure Of(Exception exception, ProcessGroupOperation first)
        => exception switch
        {
            CudaException => new Failure(exception.Message, cause: null, first, peer: null, Kind.Gpu),
            NativeException native => new Failure(
                native.Message, cause: null, first, native.Peer, native.Code == NativeCode.Aborted ? Kind.Abort : Kind.Ordinary),
            _ => new Failure(exception.Message, exception, first, peer: null, Kind.Ordinary),
        };

    public ProcessGroupException ToException(ProcessGroupOperation operation)
    {
        switch (_kind)
        {
            case Kind.Abort:
                return new ProcessGroupAbortedException(operation, _cause);
            case Kind.Gpu:
                return new GpuFailedException(_message, operation);
        }

        var message = _first == operation ? _message : $"the group has failed before, in {_first}: {_message}";
        return new ProcessGroupException(message, operation, _peer, _cause) { Reason = _message };
    }
}
