using System.Data.Common;

namespace Linformer.Coordinator.Storage;

/// <summary>The audit log in the database, which itself refuses to change or delete its rows.</summary>
/// <param name="database">The database.</param>
public sealed class DatabaseAuditStore(CoordinatorDatabase database) : IAuditStore
{
    private const string Columns = "SELECT sequence, at, user_name, role, token_id, peer, method, target, outcome FROM audit ";

    /// <inheritdoc/>
    public Task AppendAsync(AuditRow row, CancellationToken cancellationToken) => database.WriteAsync(
        session => session.Execute(
            "INSERT INTO audit (at, user_name, role, token_id, peer, method, target, outcome) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            row.At.ToColumn(), row.User, row.Role, row.TokenId, row.Peer, row.Method, row.Target, row.Outcome),
        cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<AuditRow>> ReadAfterAsync(long sequence, string user, int maximum, CancellationToken cancellationToken) =>
        database.ReadAsync<IReadOnlyList<AuditRow>>(
            session => session.All(Columns + "WHERE sequence > $1 AND ($2 = '' OR user_name = $2) ORDER BY sequence LIMIT $3", Row, sequence, user, maximum),
            cancellationToken);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<AuditRow>> NewestAsync(string user, int maximum, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            session => session.All(Columns + "WHERE $1 = '' OR user_name = $1 ORDER BY sequence DESC LIMIT $2", Row, user, maximum), cancellationToken);
        rows.Reverse();
        return rows;
    }

    private static AuditRow Row(DbDataReader row) => new(
        row.GetInt64(0), row.Time(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.GetString(6), row.GetString(7), row.GetString(8));
}
