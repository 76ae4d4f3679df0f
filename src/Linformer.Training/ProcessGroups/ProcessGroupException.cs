namespace Linformer.Training.ProcessGroups;

/// <summary>A collective, or the rendezvous before it, that failed.</summary>
public class ProcessGroupException : Exception
{
    /// <summary>Makes an exception that tells what failed where.</summary>
    /// <param name="message">What happened.</param>
    /// <param name="operation">Where it happened.</param>
    /// <param name="peer">The rank at the other end, if known.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public ProcessGroupException(
        string message, ProcessGroupOperation operation, int? peer = null, Exception? innerException = null)
        : base($"{operation}: {message}", innerException)
    {
        Reason = message;
        Operation = operation;
        Peer = peer;
    }

    /// <summary>What happened, without where: such as <c>lost rank 1: Connection reset by peer</c>.</summary>
    public string Reason { get; init; }

    /// <summary>What failed: rank, generation, collective and bytes.</summary>
    public ProcessGroupOperation Operation { get; }

    /// <summary>
    /// The rank at the other end of the connection that failed, if known. When several ranks fail, it
    /// may be one that failed because of another.
    /// </summary>
    public int? Peer { get; }
}

/// <summary>A collective, or the rendezvous before it, that <see cref="IProcessGroup.Abort"/> ended.</summary>
public sealed class ProcessGroupAbortedException : ProcessGroupException
{
    /// <summary>Makes an exception that tells what was aborted where.</summary>
    /// <param name="operation">What was aborted.</param>
    /// <param name="reason">The reason that was given, if any.</param>
    public ProcessGroupAbortedException(ProcessGroupOperation operation, Exception? reason = null)
        : base(reason is null ? "aborted" : $"aborted: {reason.Message}", operation, peer: null, reason)
    {
    }
}

/// <summary>One operation of a process group, for messages.</summary>
/// <param name="Name">Such as <c>all-reduce</c>.</param>
/// <param name="Bytes">The size of the tensor that it is about.</param>
/// <param name="Rank">The rank that called it.</param>
/// <param name="WorldSize">The number of ranks.</param>
/// <param name="Generation">The generation of the group.</param>
public sealed record ProcessGroupOperation(string Name, long Bytes, int Rank, int WorldSize, long Generation)
{
    /// <summary>Such as <c>all-reduce of 4096 bytes on rank 1 of 4, generation 3</c>.</summary>
    public override string ToString()
    {
        var size = Bytes > 0 ? $" of {Bytes} bytes" : "";
        return $"{Name}{size} on rank {Rank} of {WorldSize}, generation {Generation}";
    }
}
