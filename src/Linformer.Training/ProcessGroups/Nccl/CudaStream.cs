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
    /// <returns>Makes this stream wait for that; call it once, on any thread.</returns>
    public Action AfterComputing()
    {
        UseDevice();
        var computed = NewEvent();
        CudaMethods.Check(CudaMethods.EventRecord(computed, ComputeStream), "cudaEventRecord");
        return () =>
        {
            var error = CudaMethods.StreamWaitEvent(_stream, computed, flags: 0);
            // The stream waits all the same: an event that is destroyed lives on until it has happened.
            _ = CudaMethods.EventDestroy(computed);
            CudaMethods.Check(error, "cudaStreamWaitEvent");
        };
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

    private static nint NewEvent()
    {
        CudaMethods.Check(CudaMethods.EventCreateWithFlags(out var created, CudaMethods.EventDisableTiming), "cudaEventCreateWithFlags");
        return created;
    }
}
