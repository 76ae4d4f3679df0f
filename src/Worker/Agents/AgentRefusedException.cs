namespace Linformer.Worker.Agents;

/// <summary>The coordinator does not want this worker, now or later: a wrong join token, a name that is taken, another version.</summary>
public sealed class AgentRefusedException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">The coordinator's reason, for the operator.</param>
    /// <param name="innerException">The cause, if another exception is.</param>
    public AgentRefusedException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
