using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Linformer.Coordinator.Storage;

namespace Linformer.Coordinator.Access;

/// <summary>
/// What a browser keeps in place of a token: the token's public name, until when, and a seal that only those can make who know the
/// token's hash and the storage's id. So it is known to every coordinator of the cluster, ends with its token, and is no token: nothing
/// but a cookie of it opens anything. A stolen database alone makes none, as the storage's id is not in it.
/// </summary>
/// <param name="TokenId">The token's public name.</param>
/// <param name="ExpiresAt">Until when it holds, in seconds since 1970.</param>
/// <param name="Seal">The seal.</param>
internal sealed record SealedSession(string TokenId, long ExpiresAt, string Seal)
{
    private const int Longest = 128;
    private const char Separator = '.';

    /// <summary>A session holds for so long at most, and never for longer than its token.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromDays(7);

    /// <summary>Makes one.</summary>
    /// <param name="caller">Who has shown the token.</param>
    /// <param name="hash">The token's hash.</param>
    /// <param name="storage">The cluster's storage.</param>
    /// <param name="now">The present time.</param>
    public static SealedSession Make(Principal caller, ReadOnlySpan<byte> hash, StorageId storage, DateTimeOffset now)
    {
        var expires = (caller.ExpiresAt is { } end && end < now + Lifetime ? end : now + Lifetime).ToUnixTimeSeconds();
        return new SealedSession(caller.TokenId, expires, Sealed(caller.TokenId, expires, hash, storage));
    }

    /// <summary>Reads what <see cref="ToString"/> has written, without a look at the seal; null if it is something else.</summary>
    public static SealedSession? Parse(string text) =>
        text.Length <= Longest && text.Split(Separator) is [var id, var expires, var seal]
        && long.TryParse(expires, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds <= DateTimeOffset.MaxValue.ToUnixTimeSeconds()
            ? new SealedSession(id, seconds, seal)
            : null;

    /// <summary>Until when it holds.</summary>
    public DateTimeOffset End => DateTimeOffset.FromUnixTimeSeconds(ExpiresAt);

    /// <summary>Whether it was made with a token; takes the same time for every one that it was not.</summary>
    public bool IsOf(ReadOnlySpan<byte> hash, StorageId storage) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(Seal), Encoding.UTF8.GetBytes(Sealed(TokenId, ExpiresAt, hash, storage)));

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{TokenId}{Separator}{ExpiresAt}{Separator}{Seal}");

    // None of the parts can hold the line break between them.
    private static string Sealed(string id, long expires, ReadOnlySpan<byte> hash, StorageId storage) => Base64Url.EncodeToString(
        HMACSHA256.HashData(hash, Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"linformer session\n{storage.Value}\n{id}\n{expires}"))));
}
