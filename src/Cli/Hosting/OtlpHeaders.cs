namespace Linformer.Cli.Hosting;

/// <summary>A file of headers for OTLP: one <c>NAME: VALUE</c> a line; empty lines and those that begin with <c>#</c> do not count.</summary>
internal static class OtlpHeaders
{
    /// <summary>Reads them.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CommandException">It cannot be read, or a line is none; a value is never told.</exception>
    public static IReadOnlyList<KeyValuePair<string, string>> Read(string path)
    {
        try
        {
            return [.. File.ReadLines(path).Select((line, i) => (line: line.Trim(), number: i + 1)).Where(one => one.line.Length > 0 && one.line[0] != '#').Select(one => Parse(path, one.line, one.number))];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"--otlp-headers-file: {path} cannot be read: {error.Message}");
        }
    }

    private static KeyValuePair<string, string> Parse(string path, string line, int number)
    {
        var colon = line.IndexOf(':', StringComparison.Ordinal);
        var (name, value) = colon < 0 ? ("", "") : (line[..colon].Trim(), line[(colon + 1)..].Trim());
        return name.Length > 0 && name.All(character => char.IsAsciiLetterOrDigit(character) || "-_.".Contains(character, StringComparison.Ordinal)) && value.All(character => character is >= ' ' and <= '~')
            ? KeyValuePair.Create(name, value)
            : throw new CommandException($"--otlp-headers-file: line {number} of {path} is no header; each line has to be NAME: VALUE in ASCII.");
    }
}
