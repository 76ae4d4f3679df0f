using System.Collections.Concurrent;
using System.Security.Cryptography;
using Grpc.Core;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Storage;
using Linformer.Protocol.V1;

namespace Linformer.Coordinator.Access;

/// <summary>
/// The tokens that hold, in memory, so that calls do not wait for the database. Only the coordinator with the lease changes
/// them, in the database first; another one reads them when it takes over.
/// </summary>
internal sealed class TokenBook : IDisposable
{
    private const int MostTokens = 10_000;
    private const int IdTries = 10;

    private readonly ConcurrentDictionary<string, Held> _held = new(StringComparer.Ordinal);
    // One change at a time: a token that is revoked right after its row is there must not come to hold after that.
    private readonly SemaphoreSlim _changing = new(1, 1);
    private readonly ITokenStore _store;
    private readonly TimeProvider _time;

    private TokenBook(ITokenStore store, TimeProvider time) => (_store, _time) = (store, time);

    /// <summary>Reads the tokens that hold.</summary>
    public static async Task<TokenBook> LoadAsync(ITokenStore store, TimeProvider time, CancellationToken cancellationToken)
    {
        var book = new TokenBook(store, time);
        // A role of a later release means nothing here, which is not the same as everything.
        foreach (var (token, hash) in (await store.HoldingAsync(time.GetUtcNow(), cancellationToken)).Where(held => RoleNames.Of(held.Token.Role).Length > 0))
            book._held[token.Id] = new Held(token, Convert.FromHexString(hash));
        return book;
    }

    /// <summary>Whose token a text is; null if it is none, or not any more.</summary>
    /// <param name="text">What was shown.</param>
    public Principal? Recognise(string text)
    {
        if (TokenText.IdIn(text) is not { } id || !_held.TryGetValue(id, out var held) || !CryptographicOperations.FixedTimeEquals(held.Hash, TokenText.Hash(text)) || HasExpired(held.Token))
            return null;
        return PersonOf(held);
    }

    /// <summary>Whose session it is; null if it was not made with a token that holds. Until when it holds itself is not looked at.</summary>
    /// <param name="session">What was shown.</param>
    /// <param name="storage">The cluster's storage.</param>
    public Principal? Recognise(SealedSession session, StorageId storage) =>
        _held.TryGetValue(session.TokenId, out var held) && session.IsOf(held.Hash, storage) && !HasExpired(held.Token) ? PersonOf(held) : null;

    /// <summary>Makes a token.</summary>
    /// <returns>The token, and the text that is shown once.</returns>
    public async Task<(TokenRow Token, string Text)> CreateAsync(string user, Role role, TimeSpan lifetime, string note, string createdBy)
    {
        await _changing.WaitAsync();
        try
        {
            return await CreateAloneAsync(user, role, lifetime, note, createdBy);
        }
        finally
        {
            _changing.Release();
        }
    }

    private async Task<(TokenRow Token, string Text)> CreateAloneAsync(string user, Role role, TimeSpan lifetime, string note, string createdBy)
    {
        foreach (var expired in _held.Values.Where(held => HasExpired(held.Token)))
            _held.TryRemove(expired.Token.Id, out _);
        if (_held.Count >= MostTokens)
            throw Refusal.Exhausted($"{MostTokens:#,0} tokens hold, the most that there may be. Revoke those that are not needed any more.");
        for (var attempt = 1; ; attempt++)
        {
            var (id, text) = TokenText.Make();
            var hash = TokenText.Hash(text);
            var now = _time.GetUtcNow();
            var token = new TokenRow(id, user, role, note, createdBy, now, now + lifetime, RevokedAt: null);
            try
            {
                // Not to be given up half-way: the caller may be gone, the token is in the list.
                await _store.AddAsync(token, Convert.ToHexStringLower(hash), CancellationToken.None);
                _held[id] = new Held(token, hash);
                return (token, text);
            }
            catch (TokenIdTakenException) when (attempt < IdTries)
            {
                // Another id is as good.
            }
        }
    }

    /// <summary>Ends a token at once.</summary>
    /// <returns>The token; null if there is none.</returns>
    public async Task<TokenRow?> RevokeAsync(string id)
    {
        await _changing.WaitAsync();
        try
        {
            var revoked = await _store.RevokeAsync(id, _time.GetUtcNow(), CancellationToken.None);
            _held.TryRemove(id, out _);
            return revoked;
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _changing.Dispose();

    private Principal PersonOf(Held held) =>
        new(PrincipalKind.Person, held.Token.User, held.Token.Role, held.Token.Id) { ExpiresAt = held.Token.ExpiresAt, Ended = () => WhyEnded(held) };

    private RpcException? WhyEnded(Held held)
    {
        if (HasExpired(held.Token))
            return Refusal.Unauthenticated($"The token '{held.Token.Id}' has expired.");
        return _held.TryGetValue(held.Token.Id, out var now) && now == held ? null : Refusal.Unauthenticated($"The token '{held.Token.Id}' was revoked.");
    }

    private bool HasExpired(TokenRow token) => token.ExpiresAt <= _time.GetUtcNow();

    private sealed record Held(TokenRow Token, byte[] Hash);
}
