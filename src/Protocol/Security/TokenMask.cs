using System.Text.RegularExpressions;

namespace Linformer.Protocol.Security;

/// <summary>Blanks the secrets of tokens in texts that are shown, since people paste tokens where something else belongs.</summary>
public static partial class TokenMask
{
    private const string Prefix = "lft_";

    /// <summary>Whether a text begins as a token does.</summary>
    /// <param name="text">What somebody wrote.</param>
    public static bool IsToken(string text) => text.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase);

    /// <summary>A text with the secrets in it blanked; the public ids of the tokens stay.</summary>
    /// <param name="text">Any text.</param>
    public static string Blank(string text) =>
        text.Contains(Prefix, StringComparison.OrdinalIgnoreCase) ? Pattern().Replace(text, "${public}***") : text;

    [GeneratedRegex("(?<public>lft_[a-z0-9]{0,8}_?)[a-z0-9_-]+", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase | RegexOptions.NonBacktracking)]
    private static partial Regex Pattern();
}
