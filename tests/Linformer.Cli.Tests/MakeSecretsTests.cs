using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;

namespace Linformer.Cli.Tests;

/// <summary>The script that makes a Kubernetes cluster's secrets, in a copy of its place in the repository.</summary>
[Trait("Lane", "Processes")]
public sealed class MakeSecretsTests : IDisposable
{
    private const string Uri = "postgresql://linformer:pass%40word@db/linformer";

    private readonly string _root = Directory.CreateTempSubdirectory("linformer-secrets-").FullName;

    public MakeSecretsTests()
    {
        Directory.CreateDirectory(Path.Combine(_root, "deploy", "k8s"));
        File.Copy(Path.Combine(LauncherSandbox.RepositoryRoot(), "deploy", "k8s", "make-secrets.sh"), Script);
        var launcher = Path.Combine(_root, "linformer");
        File.WriteAllText(launcher, $"#!/bin/sh\nexec '{Path.Combine(AppContext.BaseDirectory, "Linformer.Cli")}' \"$@\"\n");
        File.SetUnixFileMode(launcher, UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }

    private string Script => Path.Combine(_root, "deploy", "k8s", "make-secrets.sh");

    private string DatabaseFile => Path.Combine(_root, "deploy", "k8s", "components", "postgres", "secrets", "database-uri");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task A_certificate_that_was_removed_is_renewed_by_the_same_authority()
    {
        await Make();
        var (authority, token, first) = (await Read("ca.crt"), await Read("join-token"), await Read("tls.crt"));
        foreach (var file in Directory.GetFiles(Secret(""), "tls.*"))
            File.Delete(file);

        await Make();

        (await Read("ca.crt")).ShouldBe(authority);
        (await Read("join-token")).ShouldBe(token);
        (await Read("tls.crt")).ShouldNotBe(first);
        using var renewed = X509Certificate2.CreateFromPemFile(Secret("tls.crt"), Secret("tls.key"));
        renewed.MatchesHostname("linformer-coordinator.linformer.svc").ShouldBeTrue();
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.ImportFromPemFile(Secret("ca.crt"));
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.Build(renewed).ShouldBeTrue();
    }

    [Fact]
    public async Task What_is_there_stays_and_is_its_owners_alone()
    {
        await Make();
        var before = await Read("tls.crt");

        await Make();

        (await Read("tls.crt")).ShouldBe(before);
        foreach (var file in Directory.GetFiles(Path.Combine(_root, "deploy"), "*", SearchOption.AllDirectories).Where(file => file.EndsWith(".key", StringComparison.Ordinal) || file.EndsWith("token", StringComparison.Ordinal)))
            File.GetUnixFileMode(file).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite, file);
        File.Exists(DatabaseFile).ShouldBeFalse();
    }

    [Fact]
    public async Task The_database_comes_from_the_environment_or_from_standard_input()
    {
        await Make(environment: Uri);
        (await File.ReadAllTextAsync(DatabaseFile)).ShouldBe(Uri);

        await Make(input: $"{Uri}?sslmode=verify-full\n", arguments: "--database");
        (await File.ReadAllTextAsync(DatabaseFile)).ShouldBe($"{Uri}?sslmode=verify-full");
        File.GetUnixFileMode(DatabaseFile).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    [Theory]
    [InlineData("LINFORMER_DATABASE", Uri, "")]
    [InlineData("no database's URI", "--database", "")]
    [InlineData("must begin with postgresql://", "--database", "pass%40word")]
    public async Task What_is_no_database_is_refused_and_not_repeated(string expected, string argument, string input)
    {
        var (code, error) = await RunAsync(null, input, argument);

        code.ShouldBe(1);
        error.ShouldContain(expected);
        error.ShouldNotContain("pass%40word");
        Directory.Exists(Secret("")).ShouldBeFalse();
    }

    private string Secret(string name) => Path.Combine(_root, "deploy", "k8s", "base", "secrets", name);

    private Task<string> Read(string name) => File.ReadAllTextAsync(Secret(name));

    private async Task Make(string? environment = null, string input = "", params string[] arguments)
    {
        var (code, error) = await RunAsync(environment, input, arguments);
        code.ShouldBe(0, error);
    }

    private async Task<(int Code, string Error)> RunAsync(string? database, string input, params string[] arguments)
    {
        var start = new ProcessStartInfo("bash", [Script, .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["LINFORMER_DATABASE"] = database;
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        await output;
        return (process.ExitCode, await error);
    }
}
