using Microsoft.Data.Sqlite;

namespace Linformer.Coordinator.Storage.Sqlite;

/// <summary>Says in words what SQLite met.</summary>
internal static class SqliteErrors
{
    private const int Busy = 5;
    private const int Locked = 6;
    private const int ReadOnly = 8;
    private const int InputOutput = 10;
    private const int Corrupt = 11;
    private const int Full = 13;
    private const int CannotOpen = 14;
    private const int NotADatabase = 26;

    /// <summary>The error for the operator.</summary>
    /// <param name="path">The database.</param>
    /// <param name="exception">What SQLite said.</param>
    public static StorageException Explain(string path, SqliteException exception) => new(
        $"The database {path} " + exception.SqliteErrorCode switch
        {
            Full => "has no room left: its disk is full, or it has reached its largest size. Free some space; nothing that was recorded is lost.",
            Busy or Locked => "is locked by another program. Close whatever has it open.",
            Corrupt or NotADatabase => $"is damaged ({exception.Message}). Restore it from a backup.",
            ReadOnly => "cannot be written: the file or its folder is read-only.",
            CannotOpen => "cannot be opened: its folder is missing or not writable.",
            InputOutput => $"cannot be read or written ({exception.Message}). Check its disk.",
            _ => $"refused a statement ({exception.Message}).",
        },
        exception);
}
