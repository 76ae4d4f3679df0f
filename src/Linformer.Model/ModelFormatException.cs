namespace Linformer.Model;

/// <summary>A model folder, or a file of it, is not what it should be. The message names the file and what is wrong.</summary>
public sealed class ModelFormatException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">Names the file, the value and what is allowed.</param>
    /// <param name="inner">What led to it, if anything.</param>
    public ModelFormatException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
