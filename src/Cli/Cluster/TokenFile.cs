using System.Buffers;

namespace Linformer.Cli.Cluster;

/// <summary>Reads a token from a file, or checks one from elsewhere.</summary>
internal static class TokenFile
{
    private static readonly SearchValues<char> Allowed = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=");

    /// <summary>The first token of a file: while tokens are rotated, a coordinator's own may hold several, one a line.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CommandException">There is no token in it, or it cannot be read.</exception>
    public static string Read(string path)
    {
        try
        {
            return File.ReadLines(path).Select(line => line.Trim()).FirstOrDefault(line => line.Length > 0 && !line.StartsWith('#')) is { } token
                ? Checked(token, path)
                : throw new CommandException($"{path}: the file is empty; it must hold a token.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{path}: the token cannot be read: {error.Message}");
        }
    }

    /// <summary>A token that a coordinator may know. What has other characters could not even be sent.</summary>
    /// <param name="token">The token.</param>
    /// <param name="source">The file or the variable that it comes from.</param>
    /// <exception cref="CommandException">It has a character that no token has.</exception>
    public static string Checked(string token, string source)
    {
        var wrong = token.AsSpan().IndexOfAnyExcept(Allowed);
        return wrong < 0
            ? token
            : throw new CommandException($"{source}: what is there is no token: its character {wrong + 1} is U+{(int)token[wrong]:X4}; a token is letters, digits or -._~+/= in a line of its own.");
    }
}
