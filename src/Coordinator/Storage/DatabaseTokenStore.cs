using System.Data.Common;
using Linformer.Protocol.V1;

namespace Linformer.Coordinator.Storage;

/// <summary>The tokens of people in the database.</summary>
/// <param name="database">The database.</param>
public sealed class DatabaseTokenStore(CoordinatorDatabase database) : ITokenStore
{
    private const string Columns = "SELECT token_id, user_name, role, note, created_by, created_at, expires_at, revoked_at, hash FROM tokens ";

    /// <inheritdoc/>
    public Task AddAsync(TokenRow token, string hash, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            session.Execute(
                """
                INSERT INTO tokens (token_id, hash, user_name, role, note, created_by, created_at, expires_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (token_id) DO NOTHING
                """,
                token.Id, hash, token.User, (int)token.Role, token.Note, token.CreatedBy, token.CreatedAt.ToColumn(), token.ExpiresAt.ToColumn());
            // The same one is there if the answer to a first try was lost.
            if (session.First("SELECT hash FROM tokens WHERE token_id = $1", row => row.GetString(0), token.Id) != hash)
                throw new TokenIdTakenException($"There is a token '{token.Id}' already.");
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task<TokenRow?> RevokeAsync(string id, DateTimeOffset at, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            session.Execute("UPDATE tokens SET revoked_at = $2 WHERE token_id = $1 AND revoked_at IS NULL", id, at.ToColumn());
            return session.First(Columns + "WHERE token_id = $1", Row, id);
        },
        cancellationToken);

    /// <inheritdoc/>
    public Task<TokenRow?> FindAsync(string id, CancellationToken cancellationToken) =>
        database.ReadAsync(session => session.First(Columns + "WHERE token_id = $1", Row, id), cancellationToken);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<TokenRow>> ListAsync(string user, DateTimeOffset? holdingAt, int maximum, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            session => session.All(
                Columns + """
                WHERE ($1 = '' OR user_name = $1) AND ($2 = 0 OR (revoked_at IS NULL AND expires_at > $2))
                ORDER BY created_at DESC, token_id DESC LIMIT $3
                """,
                Row, user, holdingAt?.ToColumn() ?? 0L, maximum),
            cancellationToken);
        rows.Reverse();
        return rows;
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<(TokenRow Token, string Hash)>> HoldingAsync(DateTimeOffset at, CancellationToken cancellationToken) =>
        database.ReadAsync<IReadOnlyList<(TokenRow, string)>>(
            session => session.All(Columns + "WHERE revoked_at IS NULL AND expires_at > $1", row => (Row(row), row.GetString(8)), at.ToColumn()), cancellationToken);

    private static TokenRow Row(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), (Role)row.GetInt32(2), row.GetString(3), row.GetString(4), row.Time(5), row.Time(6), row.IsDBNull(7) ? null : row.Time(7));
}
