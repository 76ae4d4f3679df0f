namespace Linformer.Data;

/// <summary>
/// A file or setting that the user gave, or a file that this library stored, cannot be used. The message names the file
/// or setting, what is wrong with it and, where one exists, the position.
/// </summary>
public sealed class BadDataException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What is wrong, with the name of the file or setting.</param>
    /// <param name="inner">The error behind it, if any.</param>
    public BadDataException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
