using System.Diagnostics;
using System.Text.Json;
using Linformer.Cli.Commands;

namespace Linformer.Cli.Doctor;

/// <summary>Tries native libraries in a process of its own, since one that does not fit may end the process that loads it.</summary>
internal static class DoctorProbe
{
    /// <summary>The hidden command that is the process.</summary>
    public const string CommandName = "doctor-probe";

    private const int MostErrorLines = 3;

    /// <summary>Runs a probe.</summary>
    /// <typeparam name="T">What it tells.</typeparam>
    /// <param name="name">Which one.</param>
    /// <param name="cancellation">Kills it.</param>
    /// <exception cref="CommandException">It has failed, or was ended by a signal; the message says how.</exception>
    public static async Task<T> RunAsync<T>(string name, CancellationToken cancellation)
    {
        var (program, arguments) = RankProcessCommand.Self();
        var start = new ProcessStartInfo(program, [.. arguments.SkipLast(1), CommandName, name])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start) ?? throw new CommandException($"{program} cannot be started.");
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(cancellation);
            var error = process.StandardError.ReadToEndAsync(cancellation);
            await process.WaitForExitAsync(cancellation);
            if (process.ExitCode != 0)
                throw new CommandException(Failure(process.ExitCode, await error));
            return JsonSerializer.Deserialize<T>(await output, CommandContext.JsonOptions)!;
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    private static string Failure(int exitCode, string error)
    {
        var how = exitCode > 128 ? $"the process was ended by signal {exitCode - 128}" : $"the process ended with exit code {exitCode}";
        var lines = error.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.Length == 0 ? how : $"{how}: {string.Join(" | ", lines.Take(MostErrorLines)).Replace("error: ", "", StringComparison.Ordinal)}";
    }
}
