using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Linformer.Coordinator.Access;

/// <summary>
/// The text of a token: <c>lft_</c>, its public id, and 256 random bits. What is stored is a hash of the whole; with so much
/// chance in it, a fast one says nothing of the text.
/// </summary>
internal static partial class TokenText
{
    private const string Prefix = "lft_";
    private const string IdAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
    private const int IdLength = 8;
    private const int SecretBytes = 32;
    private const int Length = 4 + IdLength + 1 + 43;

    /// <summary>A new token.</summary>
    public static (string Id, string Text) Make()
    {
        var id = RandomNumberGenerator.GetString(IdAlphabet, IdLength);
        return (id, $"{Prefix}{id}_{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes))}");
    }

    /// <summary>A new token for a file of them, which is in no list. It is recognised, and blanked, by its beginning as well.</summary>
    /// <param name="kind">What follows <c>lft_</c>, lower-case letters, of another length than an id.</param>
    public static string MakeBootstrap(string kind) => $"{Prefix}{kind}_{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes))}";

    /// <summary>The id in a text that has the shape of a token; null if it has not.</summary>
    public static string? IdIn(string text) =>
        text.Length == Length && text.StartsWith(Prefix, StringComparison.Ordinal) && text[Prefix.Length + IdLength] == '_'
            ? text.Substring(Prefix.Length, IdLength)
            : null;

    /// <summary>Whether a text can be a token's id.</summary>
    public static bool IsId(string text) => text.Length == IdLength && text.All(IdAlphabet.Contains);

    /// <summary>What is stored of a token.</summary>
    public static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));

    /// <summary>A text with the secrets of tokens in it blanked, since people paste them where an id belongs.</summary>
    public static string Mask(string text) => text.Contains(Prefix, StringComparison.Ordinal) ? Pattern().Replace(text, "${public}***") : text;

    [GeneratedRegex("(?<public>lft_[a-z0-9]{0,8}_?)[A-Za-z0-9_-]+", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Pattern();
}
