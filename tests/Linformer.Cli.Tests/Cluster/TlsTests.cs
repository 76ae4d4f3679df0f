using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests.Cluster;

public sealed class TlsTests : ClusterTest
{
    private readonly TestAuthority _authority = new();

    [Theory]
    [InlineData("https://")]
    [InlineData("")]
    public async Task An_authority_makes_the_connection_trusted(string scheme)
    {
        await Serve(_authority.Server());

        (await Jobs($"{scheme}{Coordinator.Address}", "--ca", _authority.WritePem(Folder))).ShouldBe(0, Error.ToString());
    }

    // A machine that stands still: the system takes the connection, and nobody answers the handshake.
    [Fact]
    public async Task Of_several_coordinators_one_that_says_nothing_is_passed_over()
    {
        await Serve(_authority.Server());
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();

        (await Jobs($"{silent.LocalEndpoint},{Coordinator.Address}", "--ca", _authority.WritePem(Folder))).ShouldBe(0, Error.ToString());
    }

    [Fact]
    public async Task A_certificate_of_another_authority_is_refused_with_what_to_give()
    {
        using var other = new TestAuthority("Another");
        await Serve(other.Server());

        (await Jobs(Coordinator.Address, "--ca", _authority.WritePem(Folder))).ShouldBe(1);

        var lines = Error.ToString().TrimEnd().Split('\n');
        lines[0].ShouldStartWith($"error: No connection with the coordinator at https://{Coordinator.Address}: the server's certificate is not trusted: ");
        lines[1].ShouldBe("error: Give the authority that signed it with --ca FILE (or LINFORMER_CA).");
        lines.Length.ShouldBe(2);
    }

    [Fact]
    public async Task Without_an_authority_only_those_of_the_system_count()
    {
        await Serve(_authority.Server());

        (await Jobs($"https://{Coordinator.Address}")).ShouldBe(1);

        Error.ToString().ShouldContain("the server's certificate is not trusted: ");
        Error.ToString().ShouldContain("--ca FILE");
    }

    [Fact]
    public async Task An_expired_certificate_is_told_as_such()
    {
        await Serve(_authority.Server(days: -1));

        (await Jobs(Coordinator.Address, "--ca", _authority.WritePem(Folder))).ShouldBe(1);

        Error.ToString().ShouldContain("the server's certificate does not hold: it has expired on ");
        Error.ToString().ShouldContain("renew it at the coordinator");
        Error.ToString().ShouldNotContain("--ca");
    }

    [Fact]
    public async Task Doctor_says_by_the_cause_what_to_do()
    {
        await Serve(_authority.Server("head.example.org", loopback: false));
        (await Doctor()).ShouldBe(1);
        Output.ToString().ShouldContain("→ Connect to a name that it is for");
        Output.ToString().ShouldNotContain("→ Give the authority");
        Output.Clear();

        using var other = new TestAuthority("Another");
        await Serve(other.Server());
        (await Doctor()).ShouldBe(1);
        Output.ToString().ShouldContain("→ Give the authority");
        Output.ToString().ShouldNotContain("→ Connect to a name");
    }

    [Fact]
    public async Task A_certificate_for_another_name_is_told_with_its_names()
    {
        await Serve(_authority.Server("head.example.org", loopback: false));

        (await Jobs(Coordinator.Address, "--ca", _authority.WritePem(Folder))).ShouldBe(1);

        Error.ToString().ShouldContain("the server's certificate is for head.example.org, not for the name that was connected to");
        Error.ToString().ShouldContain("Connect to a name that it is for");
        Error.ToString().ShouldNotContain("--ca");
    }

    [Fact]
    public async Task A_coordinator_without_tls_is_told_from_one_that_is_not_there()
    {
        (await Jobs($"https://{Coordinator.Address}")).ShouldBe(1);

        Error.ToString().ShouldStartWith($"error: No connection with the coordinator at https://{Coordinator.Address}: it does not speak TLS.\n");
        Error.ToString().ShouldContain("http://");
    }

    [Fact]
    public async Task A_coordinator_with_tls_is_told_to_a_client_without()
    {
        await Serve(_authority.Server());

        (await Jobs(Coordinator.Address)).ShouldBe(1);

        Error.ToString().ShouldStartWith($"error: No connection with the coordinator at {Coordinator.Address}: it hung up before it said a word.\n");
        Error.ToString().ShouldContain("https://");
    }

    [Fact]
    public async Task Of_several_coordinators_the_one_that_is_not_trusted_is_told_and_at_once()
    {
        using var other = new TestAuthority("Another");
        await Serve(other.Server());

        (await Jobs($"127.0.0.1:1,{Coordinator.Address}", "--ca", _authority.WritePem(Folder))).ShouldBe(1);

        Error.ToString().ShouldContain("the server's certificate is not trusted");
    }

    [Fact]
    public async Task A_renewed_certificate_needs_nothing_of_the_client()
    {
        var ca = _authority.WritePem(Folder);
        await Serve(_authority.Server(days: 1));
        (await Jobs(Coordinator.Address, "--ca", ca)).ShouldBe(0, Error.ToString());

        await Serve(_authority.Server(days: 100));

        (await Jobs(Coordinator.Address, "--ca", ca)).ShouldBe(0, Error.ToString());
    }

    [Fact]
    public async Task What_leads_to_the_same_coordinator_again_has_its_authority()
    {
        await Serve(_authority.Server());
        var ca = _authority.WritePem(Folder);
        Coordinator.Jobs.OnWatch = async (_, write, cancellation) =>
        {
            await write(new WatchEvent { Job = TinyJob() });
            await CtrlC();
            await Task.Delay(Timeout.Infinite, cancellation);
        };

        (await Run("watch", "tiny", "--ca", ca)).ShouldBe(130);

        Error.ToString().ShouldContain($"./linformer cancel tiny --coordinator {Coordinator.Address} --ca {ca}\n");
    }

    [Theory]
    [InlineData("--ca is for TLS", "jobs", "--coordinator", "http://localhost:1", "--ca", "x")]
    [InlineData("The authorities in no-such-file cannot be read: ", "jobs", "--ca", "no-such-file")]
    [InlineData("give both or none", "worker", "--tls-certificate", "x")]
    [InlineData("--tls-certificate is for TLS", "worker", "--tls-certificate", "{cert}", "--tls-key", "{key}", "--coordinator", "localhost:1")]
    public async Task What_does_not_fit_together_is_refused(string expected, params string[] arguments)
    {
        var (certificate, key) = TestAuthority.Write(Folder, _authority.Client("linformer-worker"));

        (await RunAs([.. arguments.Select(argument => argument.Replace("{cert}", certificate).Replace("{key}", key))])).ShouldBe(1);

        Error.ToString().ShouldContain(expected);
    }

    protected override void Clean() => _authority.Dispose();

    private async Task Serve(X509Certificate2 certificate)
    {
        await Coordinator.KillAsync();
        await Coordinator.StartAsync(certificate);
        Coordinator.Jobs.OnList = _ => new ListJobsResponse { Jobs = { TinyJob() } };
    }

    private Task<int> Doctor() => RunAs(["doctor", "--only", "coordinator", "--coordinator", Coordinator.Address, "--ca", _authority.WritePem(Folder)]);

    private Task<int> Jobs(string coordinator, params string[] more) => RunAs(["jobs", "--coordinator", coordinator, .. more]);

    private Task<int> RunAs(string[] arguments) => CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), arguments, Output, Error, CancellationToken.None);
}
