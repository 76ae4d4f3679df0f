namespace Linformer.Training.ProcessGroups.Nccl;

/// <summary>A stream of one GPU, beside the one on which torch computes, and the events that order the two.</summary>
internal sealed class CudaStream : IDisposable
{
    // The default stream of the GPU: torch uses no other one unless it is told to, and TorchSharp cannot tell it.
    private const nint ComputeStream = 0;

    private readonly int _device;
    private readonly nint _stream;
    private readonly nint _done;

    /// <summary>Makes it.</summary>
    /// <exception cref="CudaException">The GPU refuses.</exception>
    public CudaStream(int device)
    {
        _device = device;
        UseDevice();
        CudaMethods.Check(CudaMethods.StreamCreateWithFlags(out _stream, CudaMethods.StreamNonBlocking), "cudaStreamCreateWithFlags");
        _done = NewEvent();
    }

    /// <summary>The stream.</summary>
    public nint Handle => _stream;

    /// <summary>Makes the GPU the one of the calling thread: CUDA's calls are about a thread's GPU.</summary>
    public void UseDevice() => CudaMethods.Check(CudaMethods.SetDevice(_device), "cudaSetDevice");

    /// <summary>Notes how far the compute stream has been filled by now. Called on the thread that computes.</summary>
    /// <exception cref="CudaException">The GPU has failed.</exception>
    public Moment AfterComputing()
    {
        UseDevice();
        var moment = new Moment(_stream, NewEvent());
        try
        {
            moment.Record();
            return moment;
        }
        catch
        {
            moment.Dispose();
            throw;
        }
    }

    /// <summary>Notes how far this stream has been filled by now: see <see cref="IsDone"/>.</summary>
    public void Mark() => CudaMethods.Check(CudaMethods.EventRecord(_done, _stream), "cudaEventRecord");

    /// <summary>Whether all is done that was in the stream at the last <see cref="Mark"/>.</summary>
    /// <exception cref="CudaException">Something on the GPU has failed.</exception>
    public bool IsDone()
    {
        var error = CudaMethods.EventQuery(_done);
        if (error == CudaMethods.NotReady)
        {
            return false;
        }

        CudaMethods.Check(error, "cudaEventQuery");
        return true;
    }

    public void Dispose()
    {
        // Errors here would be those of a GPU that is lost, of which others have told.
        _ = CudaMethods.EventDestroy(_done);
        _ = CudaMethods.StreamDestroy(_stream);
    }

    /// <summary>How far the compute stream was filled when it was noted.</summary>
    /// <param name="stream">The stream that may wait for it.</param>
    /// <param name="computed">An event of its own.</param>
    internal sealed class Moment(nint stream, nint computed) : IDisposable
    {
        /// <summary>Makes the stream wait until the GPU has come there. On any thread.</summary>
        /// <exception cref="CudaException">The GPU has failed.</exception>
        public void Await() => CudaMethods.Check(CudaMethods.StreamWaitEvent(stream, computed, flags: 0), "cudaStreamWaitEvent");

        /// <summary>Frees it. A stream that waits does so all the same.</summary>
        public void Dispose() => _ = CudaMethods.EventDestroy(computed);

        internal void Record() => CudaMethods.Check(CudaMethods.EventRecord(computed, ComputeStream), "cudaEventRecord");
    }

    private static nint NewEvent()
    {
        CudaMethods.Check(CudaMethods.EventCreateWithFlags(out var created, CudaMethods.EventDisableTiming), "cudaEventCreateWithFlags");
        return created;
    }
}
