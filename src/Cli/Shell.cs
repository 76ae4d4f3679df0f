using System.Text.RegularExpressions;

namespace Linformer.Cli;

/// <summary>Command lines for the user to paste into a shell.</summary>
internal static partial class Shell
{
    /// <summary>An argument as a POSIX shell reads it back; a plain one stays as it is.</summary>
    /// <param name="argument">The argument.</param>
    public static string Quote(string argument) =>
        Plain().IsMatch(argument) ? argument : $"'{argument.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    [GeneratedRegex(@"\A[\w@%+=:,./-]+\z", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Plain();
}
