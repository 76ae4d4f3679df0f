namespace Linformer.Cli.Cluster;

/// <summary>Reads a file that holds a token.</summary>
internal static class TokenFile
{
    /// <summary>The token without white space around it.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CommandException">There is no token in it, or it cannot be read.</exception>
    public static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim() is { Length: > 0 } token
                ? token
                : throw new CommandException($"{path}: the file is empty; it must hold a token.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{path}: the token cannot be read: {error.Message}");
        }
    }
}
