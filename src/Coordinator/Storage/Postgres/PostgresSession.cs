using System.Data.Common;
using System.Text;
using Npgsql;

namespace Linformer.Coordinator.Storage.Postgres;

/// <summary>
/// A connection with PostgreSQL. Statements that give no rows wait for the next one that does, or for the commit: a transaction
/// costs a round trip for each answer, not for each statement.
/// </summary>
internal sealed class PostgresSession : Session
{
    private const int LargestBatch = 1000;

    private readonly NpgsqlConnection _connection;
    private NpgsqlBatch _batch;

    /// <summary>Opens a connection.</summary>
    public PostgresSession(NpgsqlDataSource source)
    {
        _connection = source.OpenConnection();
        _batch = new NpgsqlBatch(_connection);
    }

    /// <summary>The server's version.</summary>
    public Version ServerVersion => _connection.PostgreSqlVersion;

    /// <inheritdoc/>
    public override void Execute(string sql, params ReadOnlySpan<object?> values)
    {
        Add(sql, values);
        if (_batch.BatchCommands.Count >= LargestBatch)
            Flush();
    }

    /// <inheritdoc/>
    public override void BeginWrite() => Add("BEGIN", []);

    /// <inheritdoc/>
    public override void BeginRead() => Add("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", []);

    /// <inheritdoc/>
    public override void Commit()
    {
        Add("COMMIT", []);
        Flush();
    }

    /// <inheritdoc/>
    public override void Rollback()
    {
        TakeBatch().Dispose();
        Add("ROLLBACK", []);
        Flush();
    }

    /// <summary>Runs a text of several statements once, however long the server lets it.</summary>
    public void Script(string sql)
    {
        using var command = new NpgsqlCommand(sql, _connection) { CommandTimeout = 0 };
        command.ExecuteNonQuery();
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _batch.Dispose();
        _connection.Dispose();
    }

    private protected override DbDataReader Query(string sql, ReadOnlySpan<object?> values)
    {
        Add(sql, values);
        // Stands at the rows of the one statement that gives any.
        return TakeBatch().ExecuteReader();
    }

    private void Flush()
    {
        using var batch = TakeBatch();
        batch.ExecuteNonQuery();
    }

    // A reader needs the batch that it reads from.
    private NpgsqlBatch TakeBatch()
    {
        var batch = _batch;
        _batch = new NpgsqlBatch(_connection);
        return batch;
    }

    private void Add(string sql, ReadOnlySpan<object?> values)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var value in values)
            command.Parameters.Add(new NpgsqlParameter { Value = value switch { null => DBNull.Value, string text => Storable(text), _ => value } });
        _batch.BatchCommands.Add(command);
    }

    // PostgreSQL takes neither the character 0 nor half a surrogate pair; a rank's log may have either.
    private static string Storable(string text)
    {
        if (text.Contains('\0'))
            text = text.Replace('\0', '\uFFFD');
        return text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF') ? Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)) : text;
    }
}
