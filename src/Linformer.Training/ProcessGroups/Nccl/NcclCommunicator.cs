using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Linformer.Training.ProcessGroups.Nccl;

/// <summary>
/// A communicator that never blocks: every call is short, and waiting is asking again, so that a wait ends at a failure, a
/// timeout or <see cref="Abort"/>. All but <see cref="Abort"/> is called from one thread, which lives until it is disposed: the library
/// keeps addresses of that thread's memory.
/// </summary>
internal sealed unsafe class NcclCommunicator : IDisposable
{
    // A call into the library that lasts longer hangs, and only the abort ends it.
    private static readonly TimeSpan LongestCall = TimeSpan.FromSeconds(1);

    // The others leave at about the same time; one that was lost since the last collective never will.
    private static readonly TimeSpan LongestClosing = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan LongestDraining = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Spinning = TimeSpan.FromMicroseconds(200);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(1);

    private readonly CudaStream _stream;
    private readonly object _calls = new();
    private readonly ManualResetEventSlim _aborted = new();

    // Pinned: the library may read it until it has connected.
    private readonly nint[] _handle = GC.AllocateArray<nint>(1, pinned: true);
    private volatile bool _connected;
    private nint _communicator;

    /// <summary>Makes one that is not connected.</summary>
    /// <param name="stream">Where its collectives run.</param>
    public NcclCommunicator(CudaStream stream) => _stream = stream;

    /// <summary>Connects with all other ranks.</summary>
    /// <exception cref="NativeException">It failed, took too long, or was aborted.</exception>
    public void Connect(int rank, int worldSize, NcclUniqueId id, Deadline deadline)
    {
        try
        {
            Call("ncclCommInitRankConfig", () => Begin(rank, worldSize, id));
            WaitUntil(IsReady, deadline, "to connect");
            // An abort comes before, and ends it here, or after, and ends it there.
            Call("connect", () =>
            {
                _connected = true;
                return NcclResult.Success;
            });
        }
        catch
        {
            _aborted.Set();
            End();
            throw;
        }
    }

    /// <summary>Launches operations as one group, and waits until the GPU has done them.</summary>
    /// <param name="launch">Calls collectives of the communicator and the stream that it is given.</param>
    /// <param name="timeout">How long it may take.</param>
    /// <exception cref="NativeException">It failed, took too long, or was aborted.</exception>
    public void Run(Func<nint, nint, NcclResult> launch, TimeSpan timeout)
    {
        var deadline = Deadline.After(timeout);
        Call("launch", () => Group(launch));

        // Until then the operations may not be in the stream.
        WaitUntil(IsReady, deadline, "to launch");
        _stream.Mark();
        WaitUntil(IsDone, deadline, "for the other ranks");
    }

    /// <summary>Ends what runs here and cuts the connections. From any thread, any number of times.</summary>
    public void Abort()
    {
        _aborted.Set();
        var taken = Monitor.TryEnter(_calls, LongestCall);
        try
        {
            // Until then the thread that connects sees the abort, and ends the communicator itself.
            if (_connected)
            {
                End();
            }
        }
        finally
        {
            if (taken)
            {
                Monitor.Exit(_calls);
            }
        }
    }

    /// <summary>Aborts, and waits until nothing on the GPU touches the tensors any more.</summary>
    public void AbortAndDrain()
    {
        Abort();
        var deadline = Deadline.After(LongestDraining);
        try
        {
            // What was launched may have failed before it was marked.
            _stream.Mark();
            while (!_stream.IsDone() && !deadline.IsOver)
            {
                Thread.Sleep(Pause);
            }
        }
        catch (CudaException)
        {
            // A GPU that has failed touches nothing.
        }
    }

    /// <summary>Leaves the other ranks once what they still need of this one is sent.</summary>
    public void Dispose()
    {
        try
        {
            if (_communicator != 0)
            {
                Call("ncclCommFinalize", () => NcclMethods.CommFinalize(_communicator));
                WaitUntil(IsReady, Deadline.After(LongestClosing), "to close");
                Call("ncclCommDestroy", () => NcclMethods.CommDestroy(Interlocked.Exchange(ref _communicator, 0)));
            }
        }
        catch (NativeException)
        {
            Abort();
        }

        _aborted.Dispose();
    }

    private NcclResult Begin(int rank, int worldSize, NcclUniqueId id)
    {
        var config = NcclConfig.NonBlocking;
        var result = NcclMethods.CommInitRankConfig((nint*)Unsafe.AsPointer(ref _handle[0]), worldSize, id, rank, ref config);
        _communicator = _handle[0];
        return result;
    }

    private void End()
    {
        var communicator = Interlocked.Exchange(ref _communicator, 0);
        if (communicator != 0)
        {
            _ = NcclMethods.CommAbort(communicator);
        }
    }

    private bool IsReady()
    {
        var error = NcclResult.Success;
        Call("ncclCommGetAsyncError", () => NcclMethods.CommGetAsyncError(_communicator, out error));
        return error switch
        {
            NcclResult.Success => true,
            NcclResult.InProgress => false,
            _ => throw Failed("", error),
        };
    }

    // A group that fails or is aborted may end what the GPU was at, which does not make it done.
    private bool IsDone()
    {
        var ended = _stream.IsDone();
        return IsReady() && ended;
    }

    // A group that is left open would swallow all that the thread calls later, so it is closed after a failure too.
    private NcclResult Group(Func<nint, nint, NcclResult> launch)
    {
        var started = NcclMethods.GroupStart();
        if (!IsGood(started))
        {
            return started;
        }

        var launched = launch(_communicator, _stream.Handle);
        var ended = NcclMethods.GroupEnd();
        return IsGood(launched) ? ended : launched;
    }

    private void WaitUntil(Func<bool> condition, Deadline deadline, string purpose)
    {
        var started = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (deadline.IsOver)
            {
                throw new NativeException(NativeCode.TimedOut, peer: null, $"timed out waiting {purpose}");
            }

            if (Stopwatch.GetElapsedTime(started) < Spinning)
            {
                Thread.Yield();
            }
            else
            {
                _aborted.Wait(Pause);
            }
        }
    }

    // One call at a time; none once the communicator is gone.
    private void Call(string name, Func<NcclResult> call)
    {
        lock (_calls)
        {
            if (_aborted.IsSet)
            {
                throw new NativeException(NativeCode.Aborted, peer: null, "aborted");
            }

            var result = call();
            if (!IsGood(result))
            {
                throw Failed($"{name}: ", result);
            }
        }
    }

    private static bool IsGood(NcclResult result) => result is NcclResult.Success or NcclResult.InProgress;

    private NativeException Failed(string where, NcclResult result)
        => new(NativeCode.Failed, peer: null, where + NcclMethods.Describe(result, _communicator));
}
