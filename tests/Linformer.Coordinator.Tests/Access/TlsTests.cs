using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using Linformer.Coordinator.Tests.Services;
using Linformer.Coordinator.Tests.Storage;
using Linformer.Protocol.Security;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Access;

public sealed class TlsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TestAuthority _authority = new();

    public void Dispose()
    {
        _authority.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Calls_go_over_TLS_and_nothing_else_is_answered()
    {
        await using var coordinator = await StartAsync();
        coordinator.Host.Addresses.ShouldAllBe(address => address.Scheme == "https");
        await coordinator.SubmitAsync();
        (await coordinator.Jobs.ListAsync(new Proto.ListJobsRequest())).Jobs.ShouldHaveSingleItem();

        using var plain = GrpcChannel.ForAddress($"http://127.0.0.1:{coordinator.Host.Addresses[0].Port}");
        await Should.ThrowAsync<RpcException>(async () => await new Proto.Jobs.JobsClient(plain).ListAsync(new Proto.ListJobsRequest()));
    }

    [Fact]
    public async Task Only_today_s_versions_and_HTTP_2_are_spoken()
    {
        await using var coordinator = await StartAsync();
        foreach (var version in (SslProtocols[])[SslProtocols.Tls12, SslProtocols.Tls13])
        {
            using var stream = await HandshakeAsync(coordinator, version);
            stream.SslProtocol.ShouldBe(version);
            stream.NegotiatedApplicationProtocol.ShouldBe(SslApplicationProtocol.Http2);
        }
#pragma warning disable CS0618, SYSLIB0039, CA5397 // That it is refused is what is tested.
        await Should.ThrowAsync<Exception>(() => HandshakeAsync(coordinator, SslProtocols.Tls11));
#pragma warning restore CS0618, SYSLIB0039, CA5397
    }

    [Fact]
    public async Task A_client_that_trusts_another_authority_does_not_talk()
    {
        using var other = new TestAuthority("Another authority");
        await using var coordinator = await StartAsync();
        using var channel = coordinator.Connect(new ClientTls(new TrustFile(other.WriteTo(_folder.File("other.crt")))));
        var failure = await Should.ThrowAsync<RpcException>(async () => await new Proto.Jobs.JobsClient(channel).ListAsync(new Proto.ListJobsRequest()));
        failure.Status.Detail.ShouldContain("rejected");
    }

    [Fact]
    public async Task A_renewed_certificate_is_taken_for_new_connections_and_those_that_are_open_stay()
    {
        await using var coordinator = await StartAsync();
        await coordinator.Jobs.ListAsync(new Proto.ListJobsRequest());
        using (var before = await HandshakeAsync(coordinator, SslProtocols.Tls13))
            Name(before).ShouldBe("coordinator");

        _authority.Server(_folder.File("server"), "renewed");
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            using var after = await HandshakeAsync(coordinator, SslProtocols.Tls13);
            if (Name(after) == "renewed")
                break;
            await Task.Delay(50, patience.Token);
        }
        await coordinator.Jobs.ListAsync(new Proto.ListJobsRequest());
    }

    private static string Name(SslStream stream) => ((X509Certificate2)stream.RemoteCertificate!).GetNameInfo(X509NameType.SimpleName, forIssuer: false);

    private static async Task<SslStream> HandshakeAsync(TestCoordinator coordinator, SslProtocols version)
    {
        var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", coordinator.Host.Addresses[0].Port);
        var stream = new SslStream(client.GetStream(), leaveInnerStreamOpen: false);
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            EnabledSslProtocols = version,
            ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
            RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null,
        });
        return stream;
    }

    private Task<TestCoordinator> StartAsync()
    {
        var (certificate, key) = _authority.Server(_folder.File("server"));
        var trust = new TrustFile(_authority.WriteTo(_folder.File("authority.crt")));
        return TestCoordinator.StartAsync(change: options => options with { Certificate = new CertificateFile(certificate, key) }, tls: new ClientTls(trust));
    }
}
