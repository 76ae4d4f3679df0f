using System.Diagnostics;

namespace Linformer.Cli.Tests;

[Trait("Lane", "Processes")]
public class ProcessTests
{
    [Theory]
    [InlineData("--version", 0)]
    [InlineData("job-file-docs", 0)]
    [InlineData("bogus", 1)]
    [InlineData("", 1)]
    public async Task The_process_ends_with_the_exit_code(string arguments, int exitCode)
    {
        using var process = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Linformer.Cli"), arguments)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();

        process.ExitCode.ShouldBe(exitCode, await error);
        (await output + await error).ShouldNotBeEmpty();
    }
}
