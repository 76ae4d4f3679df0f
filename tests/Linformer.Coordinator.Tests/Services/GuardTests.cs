using System.Net;
using Grpc.Core;
using Grpc.Net.Client;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Tests.Storage;
using Linformer.Protocol.Wire;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

public sealed class GuardTests
{
    [Fact]
    public async Task Another_protocol_version_is_refused()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        await coordinator.Jobs.ListAsync(new Proto.ListJobsRequest(), new Metadata { { MetadataNames.ProtocolVersion, "2" } });
        var refusal = await Refused.With(
            StatusCode.FailedPrecondition,
            async () => await coordinator.Jobs.ListAsync(new Proto.ListJobsRequest(), new Metadata { { MetadataNames.ProtocolVersion, "1" } }));
        refusal.Status.Detail.ShouldContain("'1'");
        refusal.Status.Detail.ShouldContain("version 2");
    }

    [Fact]
    public async Task People_from_other_machines_need_the_user_token()
    {
        await using var coordinator = await TestCoordinator.StartAsync(change: options => options with { Listen = ["0.0.0.0:0", "localhost:0"] });
        using var open = GrpcChannel.ForAddress($"http://127.0.0.1:{coordinator.Host.Addresses[0].Port}");
        var jobs = new Proto.Jobs.JobsClient(open);
        (await Refused.With(StatusCode.Unauthenticated, async () => await jobs.ListAsync(new Proto.ListJobsRequest()))).Status.Detail.ShouldContain("user token is missing");
        var wrong = new Metadata { { MetadataNames.Authorization, "Bearer " + coordinator.Host.JoinToken } };
        (await Refused.With(StatusCode.Unauthenticated, async () => await jobs.ListAsync(new Proto.ListJobsRequest(), wrong))).Status.Detail.ShouldContain("wrong");
        await jobs.ListAsync(new Proto.ListJobsRequest(), new Metadata { { MetadataNames.Authorization, "Bearer " + coordinator.Host.UserToken } });
        // The listener on loopback is open to this machine.
        using var local = GrpcChannel.ForAddress(coordinator.Host.Addresses[1]);
        await new Proto.Jobs.JobsClient(local).ListAsync(new Proto.ListJobsRequest());
    }

    [Fact]
    public async Task Agents_need_the_join_token_on_loopback_too()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        foreach (var token in (string[])["", "wrong-token-of-some-length", coordinator.Host.UserToken])
        {
            using var agent = new FakeAgent(coordinator, token);
            var refusal = await Refused.With(StatusCode.Unauthenticated, agent.ReadAsync);
            refusal.Status.Detail.ShouldContain("join token");
            refusal.Status.Detail.ShouldNotContain(coordinator.Host.JoinToken);
        }
    }

    [Fact]
    public async Task Tokens_are_made_once_and_only_their_owner_reads_them()
    {
        using var folder = new TemporaryFolder();
        string join;
        await using (var first = await TestCoordinator.StartAsync(folder))
        {
            join = first.Host.JoinToken;
            join.ShouldNotBe(first.Host.UserToken);
        }
        foreach (var name in (string[])["join-token", "user-token"])
        {
            var path = folder.File($"coordinator/{name}");
            if (!OperatingSystem.IsWindows())
                File.GetUnixFileMode(path).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
        await using (var second = await TestCoordinator.StartAsync(folder))
            second.Host.JoinToken.ShouldBe(join);
        File.WriteAllText(folder.File("coordinator/join-token"), "short");
        (await Should.ThrowAsync<StorageException>(() => TestCoordinator.StartAsync(folder))).Message.ShouldContain("join-token");
    }

    [Fact]
    public async Task A_second_coordinator_on_the_folder_is_refused()
    {
        using var folder = new TemporaryFolder();
        await using var first = await TestCoordinator.StartAsync(folder);
        (await Should.ThrowAsync<FolderInUseException>(() => TestCoordinator.StartAsync(folder))).Message.ShouldContain(folder.Path);
        await first.Jobs.ListAsync(new Proto.ListJobsRequest());
    }

    [Fact]
    public async Task A_coordinator_that_lost_its_lease_ends()
    {
        using var folder = new TemporaryFolder();
        await using var first = await TestCoordinator.StartAsync(folder);
        File.Delete(folder.File("coordinator/lock"));
        await using var second = await TestCoordinator.StartAsync(folder);
        var refusal = await Should.ThrowAsync<RpcException>(() => first.SubmitAsync());
        refusal.StatusCode.ShouldBe(StatusCode.Unavailable);
        // Where the database is, is none of the caller's business.
        refusal.Status.Detail.ShouldNotContain("linformer.db");
        refusal.Status.Detail.ShouldNotContain(folder.Path);
        await Should.ThrowAsync<FencedException>(() => first.Host.WaitForShutdownAsync(CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(20)));
        await second.SubmitAsync();
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("localhost:99999")]
    [InlineData("some.host:1")]
    [InlineData(":80")]
    public async Task Addresses_that_are_none_are_refused(string address)
    {
        var refusal = await Should.ThrowAsync<FormatException>(() => TestCoordinator.StartAsync(change: options => options with { Listen = [address] }));
        refusal.Message.ShouldContain(address);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_named()
    {
        using var taken = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        var refusal = await Should.ThrowAsync<IOException>(
            () => TestCoordinator.StartAsync(change: options => options with { Listen = [$"localhost:{port}"] }));
        refusal.Message.ShouldContain(port.ToString());
    }

    [Fact]
    public async Task A_start_at_a_port_that_is_taken_leaves_nothing_behind_and_logs_nothing()
    {
        using var folder = new TemporaryFolder();
        await using (var first = await TestCoordinator.StartAsync(folder))
            first.Host.Epoch.ShouldBe(1);
        using (var taken = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0))
        {
            taken.Start();
            var address = $"localhost:{((IPEndPoint)taken.LocalEndpoint).Port}";
            var log = new LogCollector();
            var refusal = await Should.ThrowAsync<IOException>(
                () => TestCoordinator.StartAsync(folder, options => options with { Listen = ["localhost:0", address] }, log.Logger));
            refusal.InnerException.ShouldBeOfType<System.Net.Sockets.SocketException>();
            log.Lines.ShouldBeEmpty();
        }
        await using var second = await TestCoordinator.StartAsync(folder);
        second.Host.Epoch.ShouldBe(2);
    }

    [Fact]
    public async Task An_address_of_another_machine_is_named()
    {
        var refusal = await Should.ThrowAsync<IOException>(() => TestCoordinator.StartAsync(change: options => options with { Listen = ["192.0.2.1:0"] }));
        refusal.Message.ShouldContain("192.0.2.1");
        refusal.Message.ShouldContain("no such address");
    }
}
