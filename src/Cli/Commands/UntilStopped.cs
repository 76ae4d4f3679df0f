using System.CommandLine;

namespace Linformer.Cli.Commands;

/// <summary>Commands that run until they are stopped: whenever that is, in the middle of their start too, they have ended well.</summary>
internal static class UntilStopped
{
    /// <summary>Sets what a command does until it is stopped.</summary>
    /// <param name="command">The command.</param>
    /// <param name="run">What it does; returns the exit code.</param>
    public static void SetActionUntilStopped(this Command command, Func<ParseResult, CancellationToken, Task<int>> run) =>
        command.SetAction(async (parsed, cancellation) =>
        {
            try
            {
                return await run(parsed, cancellation);
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                return ExitCodes.Success;
            }
        });
}
