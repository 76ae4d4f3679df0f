using System.Net.Sockets;
using Npgsql;

namespace Linformer.Coordinator.Storage.Postgres;

/// <summary>Says in words what PostgreSQL, or the way to it, met.</summary>
internal static class PostgresErrors
{
    // Classes and codes of appendix A of PostgreSQL's manual.
    private const string ConnectionClass = "08";
    private const string ShutdownClass = "57P";
    private const string IdleInTransaction = "25P03";

    /// <summary>The error for the operator; null if the exception is not of the database.</summary>
    public static StorageException? Explain(PostgresAddress address, Exception exception) => exception switch
    {
        StorageException known => known,
        PostgresException refused when MayPass(refused) =>
            new DatabaseUnreachableException($"The database {address} does not answer at the moment: {refused.MessageText}.", refused),
        PostgresException refused => new StorageException($"The database {address} {Words(address, refused)}", refused),
        NpgsqlException or SocketException or TimeoutException or IOException =>
            new DatabaseUnreachableException($"The database {address} does not answer: {Innermost(exception)}", exception),
        // What a connection says that was lost meanwhile; Npgsql now and then stumbles over it itself.
        InvalidOperationException { Source: "Npgsql" } or NullReferenceException { Source: "Npgsql" } => new DatabaseUnreachableException($"The connection with the database {address} was lost.", exception),
        _ => null,
    };

    // The server stops or starts, or it ended a transaction that stood still for too long.
    private static bool MayPass(PostgresException exception) =>
        exception.SqlState.StartsWith(ConnectionClass, StringComparison.Ordinal)
        || exception.SqlState.StartsWith(ShutdownClass, StringComparison.Ordinal)
        || exception.SqlState is IdleInTransaction or PostgresErrorCodes.QueryCanceled
            or PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure
            or PostgresErrorCodes.TooManyConnections;

    private static string Words(PostgresAddress address, PostgresException exception) => exception.SqlState switch
    {
        PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification =>
            $"refuses the user '{address.User}': {exception.MessageText}. Check the user and the password.",
        PostgresErrorCodes.InvalidCatalogName => $"is not there. Make it: CREATE DATABASE \"{address.Database}\" OWNER \"{address.User}\".",
        PostgresErrorCodes.InsufficientPrivilege =>
            $"does not let the user '{address.User}' do what is needed: {exception.MessageText}. Give it the database: ALTER DATABASE \"{address.Database}\" OWNER TO \"{address.User}\".",
        PostgresErrorCodes.ReadOnlySqlTransaction => "is read-only, such as a replica. Name the server that takes writes.",
        PostgresErrorCodes.DiskFull or PostgresErrorCodes.OutOfMemory => $"has no room left: {exception.MessageText}. Nothing that was recorded is lost.",
        PostgresErrorCodes.DataCorrupted or PostgresErrorCodes.IndexCorrupted => $"is damaged: {exception.MessageText}. Restore it from a backup.",
        _ => $"refused a statement: {exception.MessageText} ({exception.SqlState}).",
    };

    private static string Innermost(Exception exception)
    {
        while (exception.InnerException is { } inner)
            exception = inner;
        return exception.Message;
    }
}
