namespace Linformer.Training.ProcessGroups;

/// <summary>
/// The GPU of this process has failed. CUDA answers every later call of the process with the same error, so no further group
/// can be made here: only a new process may be able to use the GPU.
/// </summary>
public sealed class GpuFailedException : ProcessGroupException
{
    /// <summary>Makes an exception that tells what failed where.</summary>
    /// <param name="message">What CUDA says.</param>
    /// <param name="operation">Where it happened.</param>
    public GpuFailedException(string message, ProcessGroupOperation operation)
        : base($"the GPU has failed, and this process cannot use it any more: {message}", operation)
    {
    }
}
