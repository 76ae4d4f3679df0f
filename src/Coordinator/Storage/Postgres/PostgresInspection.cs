using System.Diagnostics;
using System.Net.Sockets;
using Npgsql;

namespace Linformer.Coordinator.Storage.Postgres;

/// <summary>How a database's server is, seen from this machine. Nothing is changed.</summary>
/// <param name="Version">The server's version, such as <c>16.3</c>.</param>
/// <param name="MajorVersion">The first number of it.</param>
/// <param name="Connecting">How long the connection took.</param>
/// <param name="RoundTrip">The median time of a query that does nothing.</param>
/// <param name="ClockAhead">How far the server's clock is ahead of this machine's; no more exact than the round trip.</param>
/// <param name="Bytes">The size of the database.</param>
/// <param name="IsReplica">Whether it can only be read.</param>
/// <param name="MayCreate">Whether the user may make tables.</param>
/// <param name="FreeConnections">Connections that the server still takes.</param>
/// <param name="IsEncrypted">Whether the connection is encrypted.</param>
/// <param name="Coordinator">Who is active, for people; null if nobody is, or no coordinator has used the database yet.</param>
public sealed record PostgresInspection(
    string Version,
    int MajorVersion,
    TimeSpan Connecting,
    TimeSpan RoundTrip,
    TimeSpan ClockAhead,
    long Bytes,
    bool IsReplica,
    bool MayCreate,
    int FreeConnections,
    bool IsEncrypted,
    string? Coordinator)
{
    private const int RoundTrips = 11;

    /// <summary>Looks.</summary>
    /// <param name="address">The server.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="StorageException">It cannot be reached, or does not let this user in.</exception>
    public static async Task<PostgresInspection> OfAsync(PostgresAddress address, CancellationToken cancellationToken)
    {
        var settings = address.Connection();
        settings.Pooling = false;
        settings.ApplicationName = "linformer doctor";
        settings.Timeout = 5;
        settings.CommandTimeout = 10;
        settings.GssEncryptionMode = GssEncryptionMode.Disable;
        try
        {
            var started = Stopwatch.GetTimestamp();
            await using var connection = new NpgsqlConnection(settings.ToString());
            await connection.OpenAsync(cancellationToken);
            var connecting = Stopwatch.GetElapsedTime(started);
            return await InspectAsync(connection, connecting, cancellationToken);
        }
        catch (Exception exception) when (exception is NpgsqlException or SocketException or IOException or TimeoutException)
        {
            throw PostgresErrors.Explain(address, exception) ?? new StorageException($"The database {address} does not answer: {exception.Message}", exception);
        }
    }

    private static async Task<PostgresInspection> InspectAsync(NpgsqlConnection connection, TimeSpan connecting, CancellationToken cancellationToken)
    {
        var trips = new List<(TimeSpan Time, TimeSpan ClockAhead)>();
        for (var i = 0; i < RoundTrips; i++)
        {
            var started = Stopwatch.GetTimestamp();
            var sent = DateTime.UtcNow;
            var server = await ScalarAsync<DateTime>(connection, "SELECT clock_timestamp()", cancellationToken);
            var time = Stopwatch.GetElapsedTime(started);
            trips.Add((time, server.ToUniversalTime() - (sent + (time / 2))));
        }

        // The quickest answer tells best what time it is there.
        var ahead = trips.MinBy(trip => trip.Time).ClockAhead;
        var free = await ScalarAsync<int>(
            connection,
            """
            SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                - (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend')
            """,
            cancellationToken);
        return new PostgresInspection(
            connection.PostgreSqlVersion.ToString(),
            connection.PostgreSqlVersion.Major,
            connecting,
            trips.Select(trip => trip.Time).Order().ElementAt(RoundTrips / 2),
            ahead,
            await ScalarAsync<long>(connection, "SELECT pg_database_size(current_database())", cancellationToken),
            await ScalarAsync<bool>(connection, "SELECT pg_is_in_recovery()", cancellationToken),
            await ScalarAsync<bool>(connection, "SELECT has_schema_privilege(current_schema(), 'CREATE')", cancellationToken),
            free,
            await ScalarAsync<bool>(connection, "SELECT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)", cancellationToken),
            await CoordinatorAsync(connection, cancellationToken));
    }

    private static async Task<string?> CoordinatorAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        if (!await ScalarAsync<bool>(connection, "SELECT to_regclass('lease') IS NOT NULL", cancellationToken))
            return null;
        return await ScalarAsync<string?>(
            connection,
            "SELECT 'epoch ' || epoch || ', process ' || process_id || ' on ' || host FROM lease WHERE expires_at > clock_timestamp()",
            cancellationToken);
    }

    private static async Task<T> ScalarAsync<T>(NpgsqlConnection connection, string query, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(query, connection);
        return await command.ExecuteScalarAsync(cancellationToken) is T value ? value : default!;
    }
}
