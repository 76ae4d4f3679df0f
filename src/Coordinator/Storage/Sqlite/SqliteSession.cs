using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace Linformer.Coordinator.Storage.Sqlite;

/// <summary>A connection with SQLite and its prepared statements.</summary>
internal sealed class SqliteSession : Session
{
    // SQLite makes NULL of NaN, so NaN is stored as a text.
    private const string NotANumber = "NaN";

    private readonly SqliteConnection _connection;
    private readonly Dictionary<string, SqliteCommand> _statements = new(StringComparer.Ordinal);

    /// <summary>Opens a connection.</summary>
    /// <exception cref="SqliteException">It cannot be opened.</exception>
    public SqliteSession(string path, SqliteOpenMode mode)
    {
        _connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = mode,
            Pooling = false,
            // Seconds for which a locked database is tried again.
            DefaultTimeout = 5,
        }.ToString());
        try
        {
            _connection.Open();
        }
        catch
        {
            _connection.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override void Execute(string sql, params ReadOnlySpan<object?> values) => Bind(sql, values).ExecuteNonQuery();

    /// <inheritdoc/>
    public override void BeginWrite() => Execute("BEGIN IMMEDIATE");

    /// <inheritdoc/>
    public override void BeginRead() => Execute("BEGIN");

    /// <inheritdoc/>
    public override void Commit() => Execute("COMMIT");

    /// <inheritdoc/>
    public override void Rollback() => Execute("ROLLBACK");

    /// <summary>Runs a text of several statements once.</summary>
    public void Script(string sql)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        foreach (var statement in _statements.Values)
            statement.Dispose();
        _connection.Dispose();
    }

    private protected override DbDataReader Query(string sql, ReadOnlySpan<object?> values) => Bind(sql, values).ExecuteReader();

    private SqliteCommand Bind(string sql, ReadOnlySpan<object?> values)
    {
        if (!_statements.TryGetValue(sql, out var command))
        {
            command = _connection.CreateCommand();
            command.CommandText = sql;
            for (var i = 1; i <= values.Length; i++)
                command.Parameters.Add(new SqliteParameter { ParameterName = $"${i}" });
            _statements.Add(sql, command);
        }
        for (var i = 0; i < values.Length; i++)
            command.Parameters[i].Value = values[i] switch { null => DBNull.Value, double.NaN => NotANumber, var value => value };
        return command;
    }
}
