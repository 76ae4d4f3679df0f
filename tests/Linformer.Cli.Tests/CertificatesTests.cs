using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using Linformer.Cli.Tests.Cluster;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests;

/// <summary><c>certificates</c>, judged by OpenSSL's own command and by a TLS server.</summary>
public sealed class CertificatesTests : ClusterTest
{
    private string Certs => Path.Combine(Folder, "certs");

    [Fact]
    public async Task Openssl_takes_them_for_their_purposes_and_names()
    {
        (await Make("--host", "head.example.org", "10.0.0.1", "::1")).ShouldBe(0, Error.ToString());

        (await OpenSsl("verify", "-x509_strict", "-CAfile", Pem("ca"), "-purpose", "sslserver", "-verify_hostname", "head.example.org", Pem("server"))).ShouldContain("OK");
        (await OpenSsl("verify", "-x509_strict", "-CAfile", Pem("ca"), "-purpose", "sslserver", "-verify_ip", "10.0.0.1", Pem("server"))).ShouldContain("OK");
        (await OpenSsl("verify", "-x509_strict", "-CAfile", Pem("ca"), "-purpose", "sslclient", Pem("worker"))).ShouldContain("OK");
        (await OpenSsl("x509", "-in", Pem("worker"), "-noout", "-subject")).ShouldContain("linformer-worker");
        (await OpenSsl("verify", "-CAfile", Pem("ca"), "-purpose", "sslserver", Pem("worker"))).ShouldContain("unsuitable certificate purpose");
    }

    [Fact]
    public async Task Their_end_is_told_to_programs_as_other_times_are()
    {
        (await Make("--host", "localhost", "--output", "json")).ShouldBe(0);

        Json().GetProperty("until").GetString()!.ShouldMatch(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$");
    }

    [Fact]
    public async Task A_key_that_does_not_belong_is_told_without_words_of_the_program()
    {
        (await Make("--host", "localhost")).ShouldBe(0);
        File.Copy(Key("server"), Key("ca"), overwrite: true);

        (await Make("--renew")).ShouldBe(1);

        Error.ToString().ShouldContain("cannot be used: ");
        Error.ToString().ShouldNotContain("Parameter");
    }

    [Fact]
    public async Task Keys_are_their_owners_alone()
    {
        (await Make("--host", "localhost")).ShouldBe(0);

        foreach (var name in (string[])["ca", "server", "worker"])
            File.GetUnixFileMode(Key(name)).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Directory.GetFiles(Certs).Length.ShouldBe(6);
    }

    [Fact]
    public async Task A_coordinator_with_them_is_trusted()
    {
        (await Make("--host", "127.0.0.1")).ShouldBe(0);
        using var pem = X509Certificate2.CreateFromPemFile(Pem("server"), Key("server"));
        await Coordinator.KillAsync();
        await Coordinator.StartAsync(X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null));
        Coordinator.Jobs.OnList = _ => new ListJobsResponse();

        (await Run("jobs", "--ca", Pem("ca"))).ShouldBe(0, Error.ToString());
    }

    [Fact]
    public async Task What_is_there_is_not_replaced()
    {
        (await Make("--host", "localhost")).ShouldBe(0);
        var before = await File.ReadAllTextAsync(Pem("server"));
        File.Delete(Pem("ca"));

        (await Make("--host", "localhost")).ShouldBe(1);

        Error.ToString().ShouldStartWith($"error: {Key("ca")} is there already and is not replaced; ");
        (await File.ReadAllTextAsync(Pem("server"))).ShouldBe(before);
    }

    [Fact]
    public async Task A_renewal_keeps_authority_and_names_and_changes_keys()
    {
        (await Make("--host", "localhost", "10.0.0.1", "--days", "10")).ShouldBe(0);
        var (authority, key) = (await File.ReadAllTextAsync(Pem("ca")), await File.ReadAllTextAsync(Key("server")));

        (await Make("--renew", "--days", "20")).ShouldBe(0, Error.ToString());

        (await File.ReadAllTextAsync(Pem("ca"))).ShouldBe(authority);
        (await File.ReadAllTextAsync(Key("server"))).ShouldNotBe(key);
        using var server = X509CertificateLoader.LoadCertificateFromFile(Pem("server"));
        server.MatchesHostname("localhost").ShouldBeTrue();
        server.MatchesHostname("10.0.0.1").ShouldBeTrue();
        (server.NotAfter - DateTime.Now).TotalDays.ShouldBeInRange(19, 20);
        (await OpenSsl("verify", "-CAfile", Pem("ca"), Pem("server"))).ShouldContain("OK");
    }

    [Fact]
    public async Task A_certificate_does_not_outlive_its_authority()
    {
        (await Make("--host", "localhost", "--days", "3650")).ShouldBe(0);
        (await Make("--renew", "--days", "3650")).ShouldBe(0);

        using var authority = X509CertificateLoader.LoadCertificateFromFile(Pem("ca"));
        using var server = X509CertificateLoader.LoadCertificateFromFile(Pem("server"));
        server.NotAfter.ShouldBeLessThanOrEqualTo(authority.NotAfter);
    }

    [Theory]
    [InlineData("--host is missing", "")]
    [InlineData("--host is 'a/b'; it must be a DNS name or an IP address.", "--host a/b")]
    [InlineData("--days is 0", "--host a --days 0")]
    [InlineData("cannot be used", "--renew")]
    public async Task What_cannot_be_made_is_told(string expected, string arguments)
    {
        (await Make(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries))).ShouldBe(1);

        Error.ToString().ShouldContain(expected);
        Directory.Exists(Certs).ShouldBeFalse();
    }

    private Task<int> Make(params string[] arguments) =>
        CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), ["certificates", "--to", Certs, .. arguments], Output, Error, CancellationToken.None);

    private string Pem(string name) => Path.Combine(Certs, $"{name}.pem");

    private string Key(string name) => Path.Combine(Certs, $"{name}.key");

    private static async Task<string> OpenSsl(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("openssl", arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return await output + await error;
    }
}
