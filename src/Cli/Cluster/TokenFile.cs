namespace Linformer.Cli.Cluster;

/// <summary>Reads a file that holds a token.</summary>
internal static class TokenFile
{
    /// <summary>The first token of a file: while tokens are rotated, a coordinator's own may hold several, one a line.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CommandException">There is no token in it, or it cannot be read.</exception>
    public static string Read(string path)
    {
        try
        {
            return File.ReadLines(path).Select(line => line.Trim()).FirstOrDefault(line => line.Length > 0 && !line.StartsWith('#')) is { } token
                ? token
                : throw new CommandException($"{path}: the file is empty; it must hold a token.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{path}: the token cannot be read: {error.Message}");
        }
    }
}
