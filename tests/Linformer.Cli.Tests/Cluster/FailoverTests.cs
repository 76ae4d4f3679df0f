using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Linformer.Cli.Cluster;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests.Cluster;

/// <summary>Two coordinators, of which one serves.</summary>
public sealed class FailoverTests : ClusterTest
{
    private readonly ScriptedCoordinator _other = new();

    [Theory]
    [InlineData("a:1", "a:1", "a:1")]
    [InlineData("a:1,b", "a:1,b:7070", "a:1 or b:7070")]
    [InlineData(" a:1, [::1]:2 ,c:3,a:1", "a:1,[::1]:2,c:3", "a:1, [::1]:2 or c:3")]
    public void Several_addresses_come_after_commas(string text, string together, string words)
    {
        var addresses = CoordinatorAddresses.Parse(text).ShouldNotBeNull();
        addresses.ToString().ShouldBe(together);
        addresses.Words.ShouldBe(words);
    }

    [Theory]
    [InlineData("a:1,")]
    [InlineData(",")]
    [InlineData("a:1,b:0")]
    public void One_wrong_address_makes_all_wrong(string text) => CoordinatorAddresses.Parse(text).ShouldBeNull();

    [Fact]
    public async Task A_call_goes_to_the_one_that_serves_wherever_it_stands()
    {
        Coordinator.Jobs.OnList = _ => new ListJobsResponse { Jobs = { TinyJob() } };
        var standby = FreePort();
        foreach (var addresses in (string[])[$"127.0.0.1:{standby},{Coordinator.Address}", $"{Coordinator.Address},127.0.0.1:{standby}"])
            (await RunWith(addresses, "jobs")).ShouldBe(0, Error.ToString());
        Coordinator.Jobs.Requests.Count.ShouldBe(2);
    }

    [Fact]
    public async Task When_none_answers_all_are_named()
    {
        var (one, two) = (FreePort(), FreePort());
        (await RunWith($"127.0.0.1:{one},127.0.0.1:{two}", "jobs")).ShouldBe(1);
        Error.ToString().ShouldStartWith($"error: No coordinator answers at 127.0.0.1:{one} or 127.0.0.1:{two}: none is active at the moment");
    }

    [Fact]
    public async Task What_a_coordinator_says_of_itself_is_told_rather_than_that_another_does_not_answer()
    {
        Coordinator.Jobs.OnList = _ => throw JobsScript.Refusal(StatusCode.Unavailable, "The database is away.");
        foreach (var addresses in (string[])[$"127.0.0.1:{FreePort()},{Coordinator.Address}", $"{Coordinator.Address},127.0.0.1:{FreePort()}"])
        {
            Error.Clear();
            (await RunWith(addresses, "jobs")).ShouldBe(1);
            Error.ToString().ShouldBe("error: The database is away.\n");
        }
    }

    [Fact]
    public async Task A_refusal_is_not_asked_for_again_elsewhere()
    {
        Coordinator.Jobs.OnShow = _ => throw JobsScript.Refusal(StatusCode.NotFound, "There is no such job.");
        await _other.StartAsync();
        (await RunWith($"{Coordinator.Address},{_other.Address}", "show", "tiny")).ShouldBe(1);
        Error.ToString().ShouldBe("error: There is no such job.\n");
        _other.Jobs.Requests.ShouldBeEmpty();
        await _other.DisposeAsync();
    }

    [Fact]
    public async Task A_watch_moves_over_and_goes_on_where_it_was()
    {
        Coordinator.Jobs.OnWatch = async (_, send, token) =>
        {
            await send(new WatchEvent { Job = TinyJob(), History = { Entry(1, "submitted"), Entry(2, "started") } });
            await Task.Delay(Timeout.Infinite, token);
        };
        _other.Jobs.OnWatch = (request, send, _) => send(new WatchEvent { Job = TinyJob(JobState.Succeeded), History = { Entry(request.AfterHistory + 1, "succeeded") } });
        await _other.StartAsync();
        var address = _other.Address;
        await _other.KillAsync();

        var watching = RunWith($"{Coordinator.Address},{address}", "watch", "tiny");
        await Written(Error, "started");
        await Coordinator.KillAsync();
        await _other.StartAsync();

        (await watching).ShouldBe(0);
        _other.Jobs.Requests.Cast<WatchRequest>().Select(request => (request.Job, request.AfterHistory)).ShouldBe([("tiny-abcde", 2)]);
        // The hint how to go on names both.
        Output.ToString().ShouldNotContain($"--coordinator {Coordinator.Address}\n");
        await _other.DisposeAsync();
    }

    [Fact]
    public async Task One_that_accepts_and_says_nothing_holds_nobody_up_for_long()
    {
        // As a process that is stopped: the system accepts for it.
        using var still = new TcpListener(IPAddress.Loopback, 0);
        still.Start();
        Coordinator.Jobs.OnList = _ => new ListJobsResponse();
        Coordinator.Jobs.OnWatch = (_, send, _) => send(new WatchEvent { Job = TinyJob(JobState.Succeeded) });
        var addresses = $"127.0.0.1:{((IPEndPoint)still.LocalEndpoint).Port},{Coordinator.Address}";
        var codes = await Task.WhenAll(RunWith(addresses, "jobs"), RunWith(addresses, "watch", "tiny"));
        codes.ShouldBe([0, 0], Error.ToString());
        Error.ToString().ShouldNotContain("error");
    }

    private Task<int> RunWith(string addresses, params string[] args) => CommandLineApp.RunAsync(
        CommandLineApp.CreateRoot(), [.. args, "--coordinator", addresses], Output, Error, CancellationToken.None);

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
