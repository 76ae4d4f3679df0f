namespace Linformer.Data;

/// <summary>Tells files that are not as they should be from a system that fails.</summary>
internal static class Unreadable
{
    /// <summary>The exception for a file that could not be read.</summary>
    /// <param name="message">Names the file and says why.</param>
    /// <param name="cause">What was thrown.</param>
    /// <returns>
    /// An <see cref="IOException"/> when the same file may be readable at the next try, as after a storage error; a
    /// <see cref="BadDataException"/> when the user has to do something: it does not exist, or nobody may read it.
    /// </returns>
    public static Exception As(string message, Exception cause) =>
        cause is IOException and not (FileNotFoundException or DirectoryNotFoundException or PathTooLongException)
            ? new IOException(message, cause)
            : new BadDataException(message, cause);
}
