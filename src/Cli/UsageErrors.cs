using System.CommandLine;
using System.CommandLine.Parsing;

namespace Linformer.Cli;

/// <summary>Tells of a command line that cannot be understood.</summary>
internal static class UsageErrors
{
    /// <summary>Writes each error and where to find help.</summary>
    /// <returns>The exit code.</returns>
    public static int Write(ParseResult parsed, TextWriter error)
    {
        // A mistyped command is also a missing one; telling the first is enough.
        var unknown = parsed.UnmatchedTokens.Select(token => $"'{token}' is not a command or argument of {CommandPath(parsed.CommandResult)}.").ToArray();
        var messages = unknown.Length > 0 ? unknown : parsed.Errors.Select(problem => problem.Message);
        foreach (var message in messages)
            error.WriteLine($"error: {message}");
        error.WriteLine($"Run '{CommandPath(parsed.CommandResult)} --help' for usage.");
        return ExitCodes.Failure;
    }

    private static string CommandPath(CommandResult command) =>
        command.Parent is CommandResult parent ? $"{CommandPath(parent)} {command.Command.Name}" : "linformer";
}
