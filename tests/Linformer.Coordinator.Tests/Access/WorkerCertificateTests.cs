using Grpc.Core;
using Linformer.Coordinator.Tests.Services;
using Linformer.Protocol.Security;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Access;

public sealed class WorkerCertificateTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private SecureCoordinator _coordinator = null!;

    public async Task InitializeAsync() => _coordinator = await SecureCoordinator.StartAsync();

    public async Task DisposeAsync() => await _coordinator.DisposeAsync();

    [Fact]
    public async Task A_certificate_stands_for_the_join_token_and_one_with_a_name_for_that_worker_alone()
    {
        (await ConnectAsync(_coordinator.Tls("linformer-worker"), "gpu-17")).ShouldBe(StatusCode.OK);
        (await ConnectAsync(_coordinator.Tls("gpu-18"), "gpu-18")).ShouldBe(StatusCode.OK);
        (await ConnectAsync(_coordinator.Tls("gpu-18"), "gpu-19")).ShouldBe(StatusCode.PermissionDenied);
        // With the token, any name is free.
        (await ConnectAsync(_coordinator.Tls("gpu-18"), "gpu-20", _coordinator.Coordinator.Host.JoinToken)).ShouldBe(StatusCode.OK);
        // A token of another cluster does not spoil a good certificate.
        (await ConnectAsync(_coordinator.Tls("linformer-worker"), "gpu-21", "wrong-token-of-some-length")).ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task Without_a_good_certificate_a_worker_is_refused()
    {
        (await ConnectAsync(_coordinator.PlainTls(), "w1")).ShouldBe(StatusCode.Unauthenticated);
        (await ConnectAsync(_coordinator.Tls("linformer-worker", TimeSpan.FromDays(-1)), "w1")).ShouldBe(StatusCode.Unauthenticated);
        using var other = new TestAuthority("Test authority");
        (await ConnectAsync(_coordinator.Tls("linformer-worker", issuer: other), "w1")).ShouldBe(StatusCode.Unauthenticated);
        // A server's certificate of the right authority is no client's.
        var files = _coordinator.Coordinator.DataFolder;
        var (certificate, key) = _coordinator.Authority.Server(Path.Combine(files, "as-client"), "linformer-worker");
        (await ConnectAsync(_coordinator.PlainTls() with { Certificate = new CertificateFile(certificate, key) }, "w1")).ShouldBe(StatusCode.Unauthenticated);
        (await _coordinator.Workers.ListAsync(new Proto.ListWorkersRequest(), _coordinator.Admin)).Workers.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_refusal_says_what_is_wrong_with_the_certificate()
    {
        using var channel = _coordinator.Coordinator.Connect(_coordinator.Tls("linformer-worker", TimeSpan.FromDays(-1)));
        using var call = new Proto.Agents.AgentsClient(channel).Connect();
        var refusal = await Refused.With(StatusCode.Unauthenticated, () => call.ResponseStream.MoveNext(CancellationToken.None));
        refusal.Status.Detail.ShouldContain("CN=linformer-worker");
        refusal.Status.Detail.ShouldContain("expired");
    }

    [Fact]
    public async Task A_session_ends_with_its_certificate_so_that_the_worker_comes_again_with_the_next()
    {
        var end = await SessionEndAsync(_coordinator.Tls("linformer-worker", TimeSpan.FromSeconds(8)), () => { });
        end.Status.Detail.ShouldContain("renewed");
    }

    [Fact]
    public async Task A_session_ends_when_its_authority_is_not_trusted_any_more()
    {
        using var other = new TestAuthority("Next authority");
        var end = await SessionEndAsync(_coordinator.Tls("linformer-worker"), () => _coordinator.Trust(other));
        end.Status.Detail.ShouldContain("not taken any more");
    }

    private async Task<RpcException> SessionEndAsync(ClientTls tls, Action joined)
    {
        using var channel = _coordinator.Coordinator.Connect(tls);
        using var call = new Proto.Agents.AgentsClient(channel).Connect();
        await call.RequestStream.WriteAsync(new Proto.AgentMessage { Hello = FakeAgent.Hello() });
        using var patience = new CancellationTokenSource(Patience);
        (await call.ResponseStream.MoveNext(patience.Token)).ShouldBeTrue();
        joined();
        return await Refused.With(StatusCode.Unavailable, async () =>
        {
            while (await call.ResponseStream.MoveNext(patience.Token))
            {
                // Assignments.
            }
        });
    }

    private async Task<StatusCode> ConnectAsync(ClientTls tls, string name, string? token = null)
    {
        using var channel = _coordinator.Coordinator.Connect(tls);
        using var call = new Proto.Agents.AgentsClient(channel).Connect(token is null ? [] : SecureCoordinator.Bearer(token));
        try
        {
            await call.RequestStream.WriteAsync(new Proto.AgentMessage { Hello = FakeAgent.Hello(name) });
            using var patience = new CancellationTokenSource(Patience);
            (await call.ResponseStream.MoveNext(patience.Token)).ShouldBeTrue();
            call.ResponseStream.Current.Welcome.ShouldNotBeNull();
            return StatusCode.OK;
        }
        catch (RpcException)
        {
            return (await Should.ThrowAsync<RpcException>(() => call.ResponseStream.MoveNext(CancellationToken.None))).StatusCode;
        }
    }
}
