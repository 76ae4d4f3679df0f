using Linformer.Protocol.V1;

namespace Linformer.Coordinator.Storage;

/// <summary>A token of a person, without its secret.</summary>
/// <param name="Id">Its public name.</param>
/// <param name="User">Whose it is.</param>
/// <param name="Role">What it allows.</param>
/// <param name="Note">What it is for.</param>
/// <param name="CreatedBy">Who made it.</param>
/// <param name="CreatedAt">When.</param>
/// <param name="ExpiresAt">It holds until then.</param>
/// <param name="RevokedAt">It was ended then; null if it was not.</param>
public sealed record TokenRow(
    string Id, string User, Role Role, string Note, string CreatedBy, DateTimeOffset CreatedAt, DateTimeOffset ExpiresAt, DateTimeOffset? RevokedAt);

/// <summary>The tokens of people. What is kept of a secret is its SHA-256 alone.</summary>
public interface ITokenStore
{
    /// <summary>Adds a token.</summary>
    /// <param name="token">The token.</param>
    /// <param name="hash">SHA-256 of its text, in lower-case hexadecimal.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="TokenIdTakenException">There is another one of its id.</exception>
    Task AddAsync(TokenRow token, string hash, CancellationToken cancellationToken);

    /// <summary>Ends a token; one that was ended before stays ended since then.</summary>
    /// <returns>The token; null if there is none.</returns>
    Task<TokenRow?> RevokeAsync(string id, DateTimeOffset at, CancellationToken cancellationToken);

    /// <summary>A token; null if there is none.</summary>
    Task<TokenRow?> FindAsync(string id, CancellationToken cancellationToken);

    /// <summary>The newest tokens, oldest first.</summary>
    /// <param name="user">Only this user's; empty for all.</param>
    /// <param name="holdingAt">Only those that hold at this time; null for all.</param>
    /// <param name="maximum">At most so many.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<IReadOnlyList<TokenRow>> ListAsync(string user, DateTimeOffset? holdingAt, int maximum, CancellationToken cancellationToken);

    /// <summary>Those that hold at a time, with their hashes.</summary>
    Task<IReadOnlyList<(TokenRow Token, string Hash)>> HoldingAsync(DateTimeOffset at, CancellationToken cancellationToken);
}

/// <summary>A new token's id that another token has: try the next.</summary>
public sealed class TokenIdTakenException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">Names the id.</param>
    public TokenIdTakenException(string message)
        : base(message)
    {
    }
}
