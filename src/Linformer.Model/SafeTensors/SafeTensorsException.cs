namespace Linformer.Model.SafeTensors;

/// <summary>A safetensors file that cannot be read or written; the message names the file, the tensor and the value.</summary>
public sealed class SafeTensorsException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What is wrong, and what is allowed.</param>
    /// <param name="innerException">The cause, if another exception is.</param>
    public SafeTensorsException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
