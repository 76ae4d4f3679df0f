using System.Diagnostics;

namespace Linformer.Cli.Tests;

[Trait("Lane", "Processes")]
public sealed class LauncherTests : IDisposable
{
    private const int CliExitCode = 7;

    private readonly LauncherSandbox _sandbox = new();

    private int Builds => _sandbox.Calls.Count(call => call.StartsWith("dotnet build", StringComparison.Ordinal));

    [Fact]
    public async Task The_first_start_builds_and_the_second_only_runs()
    {
        var first = await _sandbox.RunAsync("train", "my job.yaml");
        var calls = _sandbox.Calls.Length;
        var second = await _sandbox.RunAsync("train", "my job.yaml");

        first.ExitCode.ShouldBe(CliExitCode, first.Error);
        first.Output.ShouldBe("cli <train> <my job.yaml>");
        first.Error.ShouldContain("linformer: building (compat, cpu)");
        Builds.ShouldBe(1);
        second.ShouldBe((CliExitCode, "cli <train> <my job.yaml>", ""));
        _sandbox.Calls.Length.ShouldBe(calls);
    }

    [Fact]
    public async Task A_closed_standard_input_is_an_empty_one()
    {
        await _sandbox.RunAsync("jobs");
        var cli = Path.Combine(_sandbox.Root, "artifacts/compat-cpu/bin/Linformer.Cli/release/Linformer.Cli");
        File.WriteAllText(cli, "#!/bin/bash\n/usr/bin/readlink /proc/$$/fd/0\n");
        var start = new ProcessStartInfo("/bin/bash", ["-c", "exec \"$0\" jobs <&-", Path.Combine(_sandbox.Root, "linformer")])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
            Environment = { ["LINFORMER_SKIP_INSTALL"] = "1" },
        };
        using var launcher = Process.Start(start)!;

        (await launcher.StandardOutput.ReadToEndAsync()).ShouldBe("/dev/null\n");
    }

    [Theory]
    [InlineData("src/Cli/Program.cs")]
    [InlineData("compat/new.cs")]
    [InlineData("a.props")]
    public async Task A_changed_source_is_built(string file)
    {
        await _sandbox.RunAsync("jobs");
        File.WriteAllText(Path.Combine(_sandbox.Root, file), "changed");
        await _sandbox.RunAsync("jobs");

        Builds.ShouldBe(2);
    }

    [Fact]
    public async Task A_deleted_source_is_noticed()
    {
        await _sandbox.RunAsync("jobs");
        File.Delete(Path.Combine(_sandbox.Root, "src/Cli/Program.cs"));
        await _sandbox.RunAsync("jobs");

        Builds.ShouldBe(2);
    }

    [Fact]
    public async Task Missing_packages_are_named_and_installed_at_once()
    {
        _sandbox.RemoveTool("cmake");
        _sandbox.Tool("dpkg-query", "[[ ${*: -1} == libgloo-dev ]] || echo installed");
        AsRoot();

        var run = await _sandbox.RunAsync("jobs");

        run.ExitCode.ShouldBe(CliExitCode, run.Error);
        run.Error.ShouldContain("linformer: installing libgloo-dev: all-reduce between ranks on CPUs\nlinformer: installing cmake: builds the native parts\n");
        _sandbox.Calls.Where(call => call.StartsWith("apt-get", StringComparison.Ordinal))
            .ShouldBe(["apt-get install -y --no-install-recommends libgloo-dev cmake"]);
    }

    [Fact]
    public async Task Package_lists_are_fetched_only_if_the_install_fails()
    {
        _sandbox.Tool("dpkg-query", "[[ ${*: -1} == libgloo-dev ]] || echo installed");
        _sandbox.Tool("apt-get", "[[ $1 != update ]] || touch $SANDBOX/updated; [[ -e $SANDBOX/updated ]]");
        AsRoot();

        (await _sandbox.RunAsync("jobs")).ExitCode.ShouldBe(CliExitCode);

        _sandbox.Calls.Where(call => call.StartsWith("apt-get", StringComparison.Ordinal)).Select(call => call.Split(' ')[1])
            .ShouldBe(["install", "update", "install"]);
    }

    [Fact]
    public async Task A_failed_install_is_shown()
    {
        _sandbox.Tool("dpkg-query", "exit 1");
        _sandbox.Tool("apt-get", "echo E: no such package; exit 100");
        AsRoot();

        var run = await _sandbox.RunAsync("jobs");

        run.ExitCode.ShouldBe(1);
        run.Error.ShouldContain("E: no such package\nerror: installing 4 Debian packages failed with exit code 100");
        Builds.ShouldBe(0);
    }

    [Fact]
    public async Task Without_apt_the_packages_to_install_are_named()
    {
        _sandbox.Tool("dpkg-query", "exit 1");
        _sandbox.RemoveTool("apt-get");

        var run = await _sandbox.RunAsync("jobs");

        run.ExitCode.ShouldBe(1);
        run.Error.ShouldContain("error: this machine has no apt-get. Install what these Debian packages hold: libtorch-dev libgloo-dev libjemalloc2 libdnnl-dev;");
    }

    [Fact]
    public async Task Without_root_and_sudo_the_command_for_an_administrator_is_named()
    {
        _sandbox.Tool("dpkg-query", "exit 1");

        var run = await _sandbox.RunAsync([], ["jobs"], asNobody: true);

        run.ExitCode.ShouldBe(1);
        run.Error.ShouldContain("Have an administrator run: apt-get install --no-install-recommends libtorch-dev libgloo-dev libjemalloc2 libdnnl-dev");
        _sandbox.Calls.ShouldNotContain(call => call.StartsWith("apt-get", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_root_sudo_installs()
    {
        _sandbox.Tool("dpkg-query", "exit 1");
        AsRoot();

        var run = await _sandbox.RunAsync([], ["jobs"], asNobody: true);

        run.ExitCode.ShouldBe(CliExitCode, run.Error);
        _sandbox.Calls.ShouldContain(call => call.StartsWith("sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Installing_can_be_forbidden()
    {
        _sandbox.Tool("dpkg-query", "exit 1");

        var run = await _sandbox.RunAsync(new() { ["LINFORMER_SKIP_INSTALL"] = "1" }, ["jobs"]);

        run.ExitCode.ShouldBe(CliExitCode, run.Error);
        _sandbox.Calls.ShouldNotContain(call => call.StartsWith("apt-get", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_old_sdk_is_named()
    {
        _sandbox.Tool("dotnet", "echo '8.0.100 [/sdk]'");

        var run = await _sandbox.RunAsync("jobs");

        run.ExitCode.ShouldBe(1);
        run.Error.ShouldContain("error: dotnet has no SDK of version 10 or later (it has: 8.0.100 [/sdk]); install the .NET 10 SDK");
    }

    [Fact]
    public async Task A_missing_sdk_is_named()
    {
        _sandbox.RemoveTool("dotnet");

        (await _sandbox.RunAsync("jobs")).Error.ShouldContain("error: dotnet is missing; install the .NET 10 SDK");
    }

    [Fact]
    public async Task A_failed_build_shows_its_errors_and_is_tried_again()
    {
        File.WriteAllText(_sandbox.PathOf("build-fails"), "");
        var failed = await _sandbox.RunAsync("jobs");
        File.Delete(_sandbox.PathOf("build-fails"));
        var good = await _sandbox.RunAsync("jobs");

        failed.ExitCode.ShouldBe(1);
        failed.Error.ShouldContain("Program.cs(1,1): error CS0000: broken\nerror: building (compat, cpu) failed with exit code 1");
        good.ExitCode.ShouldBe(CliExitCode, good.Error);
    }

    [Fact]
    public async Task Starts_at_the_same_time_build_once()
    {
        var environment = new Dictionary<string, string> { ["BUILD_SECONDS"] = "1" };
        var runs = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => _sandbox.RunAsync(environment, ["jobs"])));

        runs.ShouldAllBe(run => run.ExitCode == CliExitCode);
        Builds.ShouldBe(1);
    }

    [Fact]
    public async Task A_build_server_that_stays_does_not_keep_the_lock()
    {
        var first = await _sandbox.RunAsync(new() { ["LEAVE_SERVER"] = "1" }, ["build"]);
        using var server = Process.GetProcessById(int.Parse(await File.ReadAllTextAsync(_sandbox.PathOf("server"))));
        try
        {
            var second = await _sandbox.RunAsync("build");

            server.HasExited.ShouldBeFalse();
            first.ExitCode.ShouldBe(0);
            second.ExitCode.ShouldBe(0);
            second.Error.ShouldNotContain("waiting");
        }
        finally
        {
            server.Kill();
        }
    }

    [Fact]
    public async Task The_choice_of_packages_stays()
    {
        _sandbox.Tool("dpkg-query", "[[ ${*: -1} == libtorch-dev ]] || echo installed");
        var environment = new Dictionary<string, string> { ["TREE"] = "nuget-cuda" };

        var build = await _sandbox.RunAsync(environment, ["build", "--feed", "nuget", "--torch", "cuda"]);
        var run = await _sandbox.RunAsync("jobs");

        build.ExitCode.ShouldBe(0, build.Error);
        (await File.ReadAllTextAsync(Path.Combine(_sandbox.Root, "artifacts/choice.props"))).ShouldContain("<PackageFeed>nuget</PackageFeed>\n    <Torch>cuda</Torch>");
        run.ShouldBe((CliExitCode, "cli <jobs>", ""));
        _sandbox.Calls.ShouldNotContain(call => call.StartsWith("apt-get", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("--feed debian", "error: --feed is 'debian'; allowed are compat nuget")]
    [InlineData("--torch", "error: --torch is ''; allowed are cpu cuda")]
    [InlineData("--torch cuda", "error: the stand-in for TorchSharp has no CUDA: use --feed nuget --torch cuda")]
    [InlineData("--fast", "error: unknown argument '--fast'; run './linformer build --help'")]
    public async Task Wrong_build_options_are_refused(string options, string error)
    {
        var run = await _sandbox.RunAsync(["build", .. options.Split(' ')]);

        run.ExitCode.ShouldBe(1);
        run.Error.ShouldStartWith(error);
        Builds.ShouldBe(0);
    }

    [Fact]
    public async Task The_demo_installs_its_texts_once()
    {
        var first = await _sandbox.RunAsync("demo");
        await _sandbox.RunAsync("demo");

        first.ExitCode.ShouldBe(CliExitCode, first.Error);
        _sandbox.Calls.Count(call => call.StartsWith("npm install", StringComparison.Ordinal)).ShouldBe(1);
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("-h")]
    public async Task Help_for_the_demo_installs_no_texts(string option)
    {
        var run = await _sandbox.RunAsync("demo", option);

        run.ExitCode.ShouldBe(CliExitCode, run.Error);
        _sandbox.Calls.ShouldNotContain(call => call.StartsWith("npm", StringComparison.Ordinal));
    }

    public void Dispose() => _sandbox.Dispose();

    // For who is not root, sudo runs what follows its options.
    private void AsRoot() => _sandbox.Tool("sudo", "while [[ $1 == -* ]]; do shift; done; (($# == 0)) || exec \"$@\"");
}
