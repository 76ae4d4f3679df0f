using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Local;

/// <summary>
/// Is told what the ranks do. Calls come one at a time, on threads of the pool; they should return soon. An exception from
/// one ends the run with that exception. A rank that waits outside a generation has the number that it has when it is in one.
/// </summary>
public interface IRankEvents
{
    /// <summary>A rank's process has been started.</summary>
    /// <param name="rank">The rank.</param>
    /// <param name="processId">The process's id.</param>
    void Started(int rank, int processId)
    {
    }

    /// <summary>A rank has joined a generation.</summary>
    /// <param name="rank">The rank.</param>
    /// <param name="joined">Which, and from which step it goes on.</param>
    void Joined(int rank, JoinedMessage joined)
    {
    }

    /// <summary>A step was applied by all ranks. One that was told before may be told again.</summary>
    /// <param name="rank">The rank that tells it.</param>
    /// <param name="progress">The step's numbers.</param>
    void Progress(int rank, ProgressMessage progress)
    {
    }

    /// <summary>A rank has measured itself.</summary>
    /// <param name="rank">The rank.</param>
    /// <param name="sample">What it measured; such as no rank can measure are left out.</param>
    void Sampled(int rank, RankSampleMessage sample)
    {
    }

    /// <summary>A checkpoint is on disk.</summary>
    /// <param name="rank">The rank that wrote it.</param>
    /// <param name="checkpoint">The checkpoint.</param>
    void Checkpointed(int rank, CheckpointedMessage checkpoint)
    {
    }

    /// <summary>Something is wrong that does not end the job.</summary>
    /// <param name="rank">The rank that tells it.</param>
    /// <param name="message">What.</param>
    void Warned(int rank, string message)
    {
    }

    /// <summary>A rank has written a line to its log.</summary>
    /// <param name="rank">The rank.</param>
    /// <param name="line">The line; a very long one is cut.</param>
    void LogLine(int rank, string line)
    {
    }
}
