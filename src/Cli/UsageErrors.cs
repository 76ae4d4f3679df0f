using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json;
using Linformer.Protocol.Security;

namespace Linformer.Cli;

/// <summary>Tells of a command line that cannot be understood.</summary>
internal static class UsageErrors
{
    /// <summary>Writes each error and where to find help, as lines or as one of JSON.</summary>
    /// <returns>The exit code.</returns>
    public static int Write(ParseResult parsed, TextWriter error)
    {
        // A mistyped command is also a missing one; telling the first is enough.
        var unknown = parsed.UnmatchedTokens.Select(token => $"'{token}' is not a command or argument of {CommandPath(parsed.CommandResult)}.").ToArray();
        // A token that was pasted in the wrong place must not get into a log.
        string[] messages = [.. (unknown.Length > 0 ? unknown : parsed.Errors.Select(problem => problem.Message)).Select(TokenMask.Blank)];
        var help = $"Run '{CommandPath(parsed.CommandResult)} --help' for usage.";
        if (WantsJson(parsed))
        {
            error.WriteLine(JsonSerializer.Serialize(new { error = string.Join('\n', messages), help }, CommandContext.JsonOptions));
            return ExitCodes.Failure;
        }
        foreach (var message in messages)
            error.WriteLine($"error: {message}");
        error.WriteLine(help);
        return ExitCodes.Failure;
    }

    // The option itself may be what is wrong; then it has no value.
    private static bool WantsJson(ParseResult parsed) =>
        parsed.GetResult(GlobalOptions.Output) is { Tokens: [{ Value: "json" }] };

    private static string CommandPath(CommandResult command) =>
        command.Parent is CommandResult parent ? $"{CommandPath(parent)} {command.Command.Name}" : "linformer";
}
