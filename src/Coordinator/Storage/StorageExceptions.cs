using Microsoft.Data.Sqlite;

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

    /// <summary>Says in words what SQLite met.</summary>
    /// <param name="path">The database.</param>
    /// <param name="exception">What SQLite said.</param>
    internal static StorageException From(string path, SqliteException exception) => new(
        $"The database {path} " + exception.SqliteErrorCode switch
        {
            SqliteCodes.Full => "has no room left: its disk is full, or it has reached its largest size. Free some space; nothing that was recorded is lost.",
            SqliteCodes.Busy or SqliteCodes.Locked => "is locked by another program. Close whatever has it open.",
            SqliteCodes.Corrupt or SqliteCodes.NotADatabase => $"is damaged ({exception.Message}). Restore it from a backup.",
            SqliteCodes.ReadOnly => "cannot be written: the file or its folder is read-only.",
            SqliteCodes.CannotOpen => "cannot be opened: its folder is missing or not writable.",
            SqliteCodes.InputOutput => $"cannot be read or written ({exception.Message}). Check its disk.",
            _ => $"refused a statement ({exception.Message}).",
        },
        exception);
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

/// <summary>SQLite's primary result codes that are told apart.</summary>
internal static class SqliteCodes
{
    public const int Busy = 5;
    public const int Locked = 6;
    public const int ReadOnly = 8;
    public const int InputOutput = 10;
    public const int Corrupt = 11;
    public const int Full = 13;
    public const int CannotOpen = 14;
    public const int Constraint = 19;
    public const int NotADatabase = 26;
}
