using Spectre.Console;

namespace Linformer.Cli.Progress;

/// <summary>Chooses how progress is shown.</summary>
public static class ProgressReporters
{
    /// <summary>JSON lines if asked for; bars if <paramref name="error"/> is the terminal; else plain lines.</summary>
    /// <param name="format">Text or JSON.</param>
    /// <param name="error">Where progress goes.</param>
    public static IProgressReporter Create(OutputFormat format, TextWriter error)
    {
        if (format == OutputFormat.Json)
            return new JsonProgress(error, TimeProvider.System);
        if (!ReferenceEquals(error, Console.Error) || !IsTerminal())
            return new PlainProgress(error, TimeProvider.System);
        return new TerminalProgress(
            AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(error) }), TimeProvider.System);
    }

    private static bool IsTerminal() =>
        !Console.IsErrorRedirected
        && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb")
        && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("CI"));
}
