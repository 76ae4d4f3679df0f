using System.CommandLine;
using System.Text.Json;
using Linformer.Protocol;

namespace Linformer.Cli.Tests;

public sealed class CommandLineAppTests : IDisposable
{
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    [Fact]
    public async Task A_command_that_succeeds_ends_with_0()
    {
        (await Run("job-file-docs")).ShouldBe(0);

        _output.ToString().ShouldStartWith("# The job file");
        _error.ToString().ShouldBeEmpty();
    }

    [Fact]
    public async Task Output_json_is_one_line_of_json()
    {
        (await Run("job-file-docs", "--output", "json")).ShouldBe(0);

        using var document = JsonDocument.Parse(_output.ToString());
        document.RootElement.GetProperty("markdown").GetString()!.ShouldStartWith("# The job file");
        _output.ToString().TrimEnd().ShouldNotContain('\n');
    }

    [Fact]
    public async Task The_schema_of_the_job_file_is_printed_as_it_is_kept()
    {
        (await Run("job-file-schema")).ShouldBe(0);
        _output.ToString().ShouldBe(JobFileJsonSchema.Text);

        _output.GetStringBuilder().Clear();
        (await Run("job-file-docs", "--schema")).ShouldBe(0);
        _output.ToString().ShouldBe(JobFileJsonSchema.Text);

        _output.GetStringBuilder().Clear();
        (await Run("job-file-schema", "--output", "json")).ShouldBe(0);
        using var document = JsonDocument.Parse(_output.ToString());
        document.RootElement.GetProperty("title").GetString().ShouldBe("Linformer job file");
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("-h")]
    public async Task Help_is_a_success(string option)
    {
        (await Run(option)).ShouldBe(0);

        _output.ToString().ShouldContain("Usage:\n  linformer");
    }

    [Fact]
    public async Task No_command_shows_help_and_fails()
    {
        (await Run()).ShouldBe(1);

        _output.ToString().ShouldContain("Usage:");
    }

    // The parser tells of such a value by itself; no check of ours may fail over it before.
    [Theory]
    [InlineData("generate m x --seed 99999999999999999999", "--seed")]
    [InlineData("generate m x --top-p high", "--top-p")]
    [InlineData("generate m x --beams 1.5", "--beams")]
    [InlineData("train job.yaml --replay history.json --ranks many", "--ranks")]
    public async Task A_value_of_another_type_is_wrong_usage(string arguments, string option)
    {
        (await Run(arguments.Split(' '))).ShouldBe(1);

        _error.ToString().ShouldStartWith("error: ");
        _error.ToString().ShouldContain(option);
        _output.ToString().ShouldBeEmpty();
    }

    [Theory]
    [InlineData("bogus", "error: 'bogus' is not a command or argument of linformer.\nRun 'linformer --help' for usage.\n")]
    [InlineData("job-file-docs more", "error: 'more' is not a command or argument of linformer job-file-docs.\nRun 'linformer job-file-docs --help' for usage.\n")]
    [InlineData("job-file-docs --output xml", "error: --output is 'xml'; allowed are text and json.\nRun 'linformer job-file-docs --help' for usage.\n")]
    [InlineData("--output text", "error: Required command was not provided.\nRun 'linformer --help' for usage.\n")]
    [InlineData("--output json", "{\"error\":\"Required command was not provided.\",\"help\":\"Run 'linformer --help' for usage.\"}\n")]
    [InlineData("generate m x --temperature 0", "error: --temperature is 0; it must be above 0 and at most 1000; for the likeliest token each time give none of --temperature, --top-p and --seed.\nRun 'linformer generate --help' for usage.\n")]
    [InlineData("generate m x --top-p NaN", "error: --top-p is NaN; it must be above 0 and at most 1.\nRun 'linformer generate --help' for usage.\n")]
    [InlineData("translate m x --beams 1001", "error: --beams is 1001; it must be from 1 to 1000.\nRun 'linformer translate --help' for usage.\n")]
    [InlineData("generate m x --max-tokens -1", "error: --max-tokens is -1; it must be at least 1.\nRun 'linformer generate --help' for usage.\n")]
    [InlineData("bogus --output json", "{\"error\":\"'bogus' is not a command or argument of linformer.\",\"help\":\"Run 'linformer --help' for usage.\"}\n")]
    public async Task Wrong_usage_fails_with_a_hint(string arguments, string error)
    {
        (await Run(arguments.Split(' '))).ShouldBe(1);

        _error.ToString().ShouldBe(error);
        _output.ToString().ShouldBeEmpty();
    }

    [Fact]
    public async Task Each_error_of_a_job_file_has_its_line()
    {
        (await Throwing(() => JobFileParser.Parse("a: 1\nb: 2\nname: x\ncorpus: { files: [a] }", "job.yaml").OrThrow())).ShouldBe(1);

        var lines = _error.ToString().TrimEnd().Split('\n');
        lines.Length.ShouldBe(2);
        lines[0].ShouldStartWith("error: job.yaml:1:1: a: is unknown");
        lines[1].ShouldStartWith("error: job.yaml:2:1: b: is unknown");
    }

    [Fact]
    public async Task An_expected_exception_is_a_message_without_a_stack_trace()
    {
        (await Throwing(() => throw new CommandException("the model is missing"))).ShouldBe(1);

        _error.ToString().ShouldBe("error: the model is missing\n");
    }

    [Fact]
    public async Task An_unexpected_exception_names_its_type_without_a_stack_trace()
    {
        (await Throwing(() => throw new AggregateException(new NotSupportedException("oh")))).ShouldBe(1);

        _error.ToString().ShouldBe("error: unexpected NotSupportedException: oh (--verbose shows where it comes from)\n");
    }

    [Fact]
    public async Task Verbose_shows_the_stack_trace()
    {
        (await Throwing(() => throw new CommandException("no"), "--verbose")).ShouldBe(1);

        _error.ToString().ShouldStartWith("error: no\n");
        _error.ToString().ShouldContain("   at Linformer.Cli.Tests.");
    }

    [Fact]
    public async Task An_error_is_json_if_asked_for()
    {
        (await Throwing(() => throw new CommandException("a \"quote\""), "--output", "json")).ShouldBe(1);

        using var document = JsonDocument.Parse(_error.ToString());
        document.RootElement.GetProperty("error").GetString().ShouldBe("a \"quote\"");
    }

    [Fact]
    public async Task A_cancelled_command_ends_with_130()
    {
        using var cancellation = new CancellationTokenSource();
        var root = CommandLineApp.CreateRoot();
        var wait = new Command("wait");
        wait.SetAction(async (_, token) =>
        {
            await cancellation.CancelAsync();
            await Task.Delay(Timeout.Infinite, token);
        });
        root.Add(wait);

        (await CommandLineApp.RunAsync(root, ["wait"], _output, _error, cancellation.Token)).ShouldBe(130);

        _error.ToString().ShouldBe("cancelled\n");
    }

    public void Dispose()
    {
        _output.Dispose();
        _error.Dispose();
    }

    private Task<int> Run(params string[] args) =>
        CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), args, _output, _error, CancellationToken.None);

    private Task<int> Throwing(Action action, params string[] options)
    {
        var root = CommandLineApp.CreateRoot();
        var command = new Command("fail");
        command.SetAction(_ => action());
        root.Add(command);
        return CommandLineApp.RunAsync(root, ["fail", .. options], _output, _error, CancellationToken.None);
    }
}
