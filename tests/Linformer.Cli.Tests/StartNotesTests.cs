using Linformer.Cli.Tests.Cluster;

namespace Linformer.Cli.Tests;

/// <summary>What coordinators say when they start: how to reach them, and what is wrong with their files.</summary>
public sealed class StartNotesTests : ClusterTest
{
    private readonly TestAuthority _authority = new();

    private string Data => Path.Combine(Folder, "data");

    [Theory]
    [InlineData("0.0.0.0:0", true)]
    [InlineData("127.0.0.1:0", false)]
    public async Task Up_prints_a_command_that_is_let_in(string listen, bool needsToken)
    {
        await Start("Submit a job: ", "up", "--workers", "1", "--data", Data, "--http", "none", "--listen", listen);

        Lines().Single(line => line.StartsWith("Submit a job: ", StringComparison.Ordinal))
            .EndsWith($" --token-file {Data}/coordinator/user-token", StringComparison.Ordinal).ShouldBe(needsToken);
    }

    [Fact]
    public async Task A_certificate_that_has_expired_and_secrets_that_others_may_read_are_warned_of()
    {
        var (certificate, key) = TestAuthority.Write(Folder, _authority.Server(days: -1));
        var token = Path.Combine(Folder, "join");
        await File.WriteAllTextAsync(token, new string('a', 43));
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        File.SetUnixFileMode(token, UnixFileMode.UserRead | UnixFileMode.GroupRead);

        await Start("The coordinator listens", "coordinator", "--data", Data, "--http", "none", "--listen", "127.0.0.1:0", "--tls-certificate", certificate, "--tls-key", key, "--join-token-file", token);

        var warnings = Error.ToString().Split('\n').Where(line => line.Contains(" WRN ", StringComparison.Ordinal)).ToList();
        warnings.Count.ShouldBe(2);
        warnings[0].ShouldContain($"{key} has a secret, and every user of this machine may read or change it (mode 0404); better: chmod o= {key}");
        warnings[1].ShouldContain($"The certificate {certificate} is accepted by nobody: it has expired on ");
    }

    [Theory]
    [InlineData("coordinator")]
    [InlineData("worker")]
    [InlineData("up")]
    [InlineData("audit")]
    public async Task Help_tells_each_default_once_and_in_the_options_unit(string command)
    {
        (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), [command, "--help"], Output, Error, CancellationToken.None)).ShouldBe(0);

        var text = Output.ToString();
        text.ShouldNotMatch(@"\[default:\s+\d+:\d+:\d+");
        text.ShouldNotMatch(@"\(default: [^()]*\)[^\n]*\[default: ");
        if (command is "worker")
            text.ShouldContain("[default: 3]");
    }

    protected override void Clean() => _authority.Dispose();

    // Until it has said something; then it is stopped.
    private async Task Start(string said, params string[] arguments)
    {
        using var stop = new CancellationTokenSource();
        var running = CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), arguments, Output, Error, stop.Token);
        await Task.WhenAny(Written(Output, said), running);
        await stop.CancelAsync();
        (await running).ShouldBe(0, Error.ToString());
    }
}
