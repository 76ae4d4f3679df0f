using System.Diagnostics;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests.Cluster;

public sealed class CompletionTests : ClusterTest
{
    [Fact]
    public async Task Job_names_come_from_the_coordinator()
    {
        Coordinator.Jobs.OnList = _ => new ListJobsResponse { Jobs = { TinyJob() } };
        var line = $"show --coordinator {Coordinator.Address} ";

        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), [$"[suggest:{line.Length}]", line], Output, Error, default)).ShouldBe(0);

        Lines().ShouldContain("tiny");
        Lines().ShouldContain("tiny-abcde");
        Lines().ShouldNotContain("/?");
    }

    [Fact]
    public async Task Without_a_coordinator_there_are_no_job_names_and_no_error()
    {
        await Coordinator.KillAsync();
        var line = $"show --coordinator {Coordinator.Address} ";

        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), [$"[suggest:{line.Length}]", line], Output, Error, default)).ShouldBe(0);

        Lines().ShouldAllBe(word => word.StartsWith('-'));
        Error.ToString().ShouldBeEmpty();
    }

    [Theory]
    [InlineData("./linformer jobs --state pau", "paused")]
    [InlineData("./linformer comp", "completion")]
    [InlineData("./linformer submit --dry", "--dry-run")]
    [InlineData("./linformer submit ", "")]
    [Trait("Lane", "Processes")]
    public async Task The_bash_script_completes(string line, string expected)
    {
        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), ["completion", "bash"], Output, Error, default)).ShouldBe(0);
        var script = Path.Combine(Folder, "linformer.bash");
        // In a test, the program that is running is not the command.
        var program = Path.Combine(AppContext.BaseDirectory, "Linformer.Cli");
        var text = System.Text.RegularExpressions.Regex.Replace(
            Output.ToString(), @"\$\(.* ""\[suggest", $"$({program} \"[suggest", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(1));
        await File.WriteAllTextAsync(script, text + """
            COMP_LINE=$1 COMP_POINT=${#1}
            read -ra COMP_WORDS <<<"$1"
            [[ $1 != *' ' ]] || COMP_WORDS+=('')
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _linformer
            printf '%s\n' "${COMPREPLY[@]}"
            """);

        (await Start("bash", script, line)).Trim().ShouldBe(expected);
    }

    [SkippableTheory]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    [Trait("Lane", "Processes")]
    public async Task Scripts_are_read_by_their_shell(string shell)
    {
        Skip.If(!Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(folder => File.Exists(Path.Combine(folder, shell))), $"{shell} is not installed");
        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), ["completion", shell], Output, Error, default)).ShouldBe(0);
        var script = Path.Combine(Folder, "script");
        await File.WriteAllTextAsync(script, Output.ToString());

        await Start(shell, "-n", script);
    }

    [Fact]
    public async Task Another_shell_is_refused()
    {
        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), ["completion", "tcsh"], Output, Error, default)).ShouldBe(1);

        Error.ToString().ShouldContain("'tcsh'");
        Error.ToString().ShouldContain("'zsh'");
    }

    [Theory]
    [InlineData("submit")]
    [InlineData("jobs")]
    [InlineData("show")]
    [InlineData("watch")]
    [InlineData("logs")]
    [InlineData("cancel")]
    [InlineData("pause")]
    [InlineData("resume")]
    [InlineData("checkpoints")]
    [InlineData("export")]
    [InlineData("workers")]
    [InlineData("corpora")]
    [InlineData("whoami")]
    [InlineData("tokens")]
    [InlineData("tokens create")]
    [InlineData("tokens revoke")]
    [InlineData("audit")]
    [InlineData("certificates")]
    [InlineData("doctor")]
    [InlineData("completion")]
    public async Task Help_has_examples(string command)
    {
        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), [.. command.Split(' '), "--help"], Output, Error, default)).ShouldBe(0);

        Output.ToString().ShouldContain($"Examples:\n  ./linformer {command}");
    }

    private static async Task<string> Start(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        process.ExitCode.ShouldBe(0, await error);
        return await output;
    }
}
