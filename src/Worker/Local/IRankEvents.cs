using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Local;

/// <summary>
/// Is told what the ranks do. Calls come one at a time, on threads of the pool; they should return soon. An exception from
/// one ends the run with that exception.
/// </summary>
public interface IRankEvents
{
    /// <summary>A rank's process has been started.</summary>
    /// <param name="rank">The rank.</param>
    /// <param name="processId">The process's id.</param>
    void Started(int rank, int processId)
    {
    }

    /// <summary>A rank has applied a step.</summary>
    /// <param name="rank">The rank.</param>
    /// <param name="progress">The step's numbers.</param>
    void Progress(int rank, ProgressMessage progress)
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

    /// <summary>A rank has set a value of the generation's rendezvous.</summary>
    /// <param name="rank">The rank.</param>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    void RendezvousSet(int rank, string key, byte[] value)
    {
    }

    /// <summary>A rank has written a line to its log.</summary>
    /// <param name="rank">The rank.</param>
    /// <param name="line">The line; a very long one is cut.</param>
    void LogLine(int rank, string line)
    {
    }
}
