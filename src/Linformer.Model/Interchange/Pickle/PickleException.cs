namespace Linformer.Model.Interchange.Pickle;

/// <summary>A PyTorch file that cannot be read; the message names the file, the place and what is allowed.</summary>
public sealed class PickleException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What is wrong, and what is allowed.</param>
    /// <param name="innerException">The cause, if another exception is.</param>
    public PickleException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
