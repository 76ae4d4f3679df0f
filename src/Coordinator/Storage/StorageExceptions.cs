namespace Linformer.Coordinator.Storage;

/// <summary>The database cannot do what is asked: the disk is full, the file is damaged, locked or cannot be written. Nothing of a failed write stays.</summary>
public class StorageException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">For the operator: names the database, what is wrong, and what helps.</param>
    /// <param name="innerException">The cause.</param>
    public StorageException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>Another coordinator holds the folder.</summary>
public sealed class FolderInUseException : StorageException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">For the operator: names the folder and the holder's process.</param>
    /// <param name="innerException">The cause.</param>
    public FolderInUseException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>Another coordinator has taken the lease: this one may write nothing more, and ends.</summary>
public sealed class FencedException : StorageException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">For the operator.</param>
    public FencedException(string message)
        : base(message)
    {
    }
}

/// <summary>The database does not answer, or the lease could not be renewed for that: it may pass. Nothing of a failed write stays, unless the answer to its commit was lost.</summary>
public sealed class DatabaseUnreachableException : StorageException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">For the operator: names the database and what is wrong.</param>
    /// <param name="innerException">The cause.</param>
    public DatabaseUnreachableException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }

    /// <summary>Whether the database answers, and it is only that the lease was not renewed in time.</summary>
    public bool LeaseLapsed { get; init; }
}
