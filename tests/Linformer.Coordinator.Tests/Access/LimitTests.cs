using Grpc.Core;
using Linformer.Coordinator.Tests.Services;
using Linformer.Coordinator.Tests.Storage;
using Linformer.Protocol.Security;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Access;

public sealed class LimitTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task A_user_who_calls_too_often_is_refused_and_others_are_not()
    {
        await using var coordinator = await SecureCoordinator.StartAsync(change: options => options with { Limits = new UserLimits { CallsPerSecond = 1, CallBurst = 20 } });
        var ada = await coordinator.AsAsync("ada", Proto.Role.Viewer);
        var other = await coordinator.AsAsync("ada", Proto.Role.Viewer);
        var bob = await coordinator.AsAsync("bob", Proto.Role.Viewer);
        var calls = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => CodeAsync(coordinator, ada)));
        calls.Distinct().ShouldBe([StatusCode.OK, StatusCode.ResourceExhausted], ignoreOrder: true);
        calls.Count(code => code == StatusCode.OK).ShouldBeGreaterThanOrEqualTo(20);
        var again = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => CodeAsync(coordinator, other)));
        // Another token of the same user does not help, since its calls are counted together; another user has calls of its own.
        again.Count(code => code == StatusCode.OK).ShouldBeLessThan(20);
        (await CodeAsync(coordinator, bob)).ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task An_address_with_many_wrong_tokens_is_not_looked_at_unless_the_token_is_right()
    {
        await using var coordinator = await SecureCoordinator.StartAsync(change: options => options with { Limits = new UserLimits { WrongTokensPerMinute = 5 } });
        var wrong = SecureCoordinator.Bearer("wrong-token-of-some-length");
        for (var i = 0; i < 5; i++)
            (await CodeAsync(coordinator, wrong)).ShouldBe(StatusCode.Unauthenticated);
        (await CodeAsync(coordinator, wrong)).ShouldBe(StatusCode.ResourceExhausted);
        (await CodeAsync(coordinator, [])).ShouldBe(StatusCode.ResourceExhausted);
        (await CodeAsync(coordinator, coordinator.Admin)).ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task A_user_has_so_many_streams_and_no_more()
    {
        await using var coordinator = await SecureCoordinator.StartAsync(change: options => options with { Limits = new UserLimits { CallsPerSecond = 0 } });
        var job = (await coordinator.Jobs.SubmitAsync(TestCoordinator.Request(), coordinator.Admin)).Job.Id;
        var ada = await coordinator.AsAsync("ada", Proto.Role.Viewer);
        var bob = await coordinator.AsAsync("bob", Proto.Role.Viewer);
        var open = new List<AsyncServerStreamingCall<Proto.WatchEvent>>();
        try
        {
            for (var i = 0; i < 256; i++)
            {
                open.Add(coordinator.Jobs.Watch(new Proto.WatchRequest { Job = job }, ada));
                (await open[^1].ResponseStream.MoveNext(CancellationToken.None)).ShouldBeTrue();
            }
            using var more = coordinator.Jobs.Watch(new Proto.WatchRequest { Job = job }, ada);
            (await Refused.With(StatusCode.ResourceExhausted, () => more.ResponseStream.MoveNext(CancellationToken.None))).Status.Detail.ShouldContain("256");
            using var other = coordinator.Jobs.Watch(new Proto.WatchRequest { Job = job }, bob);
            (await other.ResponseStream.MoveNext(CancellationToken.None)).ShouldBeTrue();
        }
        finally
        {
            open.ForEach(call => call.Dispose());
        }
    }

    [Fact]
    public async Task A_user_has_so_many_calls_whose_messages_do_not_come_and_no_more()
    {
        await using var coordinator = await SecureCoordinator.StartAsync(change: options => options with { Limits = new UserLimits { CallsPerSecond = 0 } });
        var ada = await coordinator.AsAsync("ada", Proto.Role.Viewer);
        var bob = await coordinator.AsAsync("bob", Proto.Role.Viewer);
        using var client = HeldCall.Client(coordinator);
        // Streams of answers count until their request is there.
        var held = Enumerable.Range(0, 64)
            .Select(i => i % 2 == 0 ? new HeldCall(client, "/linformer.v1.Tokens/WhoAmI", ada, new Proto.WhoAmIRequest()) : new HeldCall(client, "/linformer.v1.Jobs/Watch", ada, new Proto.WatchRequest { Job = "none" }))
            .ToList();
        try
        {
            await Task.WhenAll(held.Select(call => call.Begun));
            using (var patience = new CancellationTokenSource(Patience))
            {
                while (await CodeAsync(coordinator, ada) == StatusCode.OK)
                    await Task.Delay(20, patience.Token);
            }
            (await Refused.With(StatusCode.ResourceExhausted, async () => await coordinator.Jobs.ListAsync(new Proto.ListJobsRequest(), ada))).Status.Detail.ShouldContain("64");
            (await CodeAsync(coordinator, bob)).ShouldBe(StatusCode.OK);
            held.ForEach(call => call.Complete());
            (await Task.WhenAll(held.Select(call => call.Answer))).Select(status => status.StatusCode).Distinct().ShouldBe([StatusCode.OK, StatusCode.NotFound], ignoreOrder: true);
            using var last = new CancellationTokenSource(Patience);
            while (await CodeAsync(coordinator, ada) == StatusCode.ResourceExhausted)
                await Task.Delay(20, last.Token);
        }
        finally
        {
            held.ForEach(call => call.Dispose());
        }
    }

    [Fact]
    public async Task A_message_that_does_not_come_is_not_waited_for_and_a_quiet_worker_is()
    {
        await using var coordinator = await SecureCoordinator.StartAsync(change: options => options with { Lease = TimeSpan.FromMinutes(1) });
        using var agent = new FakeAgent(coordinator.Coordinator);
        await agent.JoinAsync();
        using var client = HeldCall.Client(coordinator);
        using var held = new HeldCall(client, "/linformer.v1.Tokens/WhoAmI", coordinator.Admin, new Proto.WhoAmIRequest());
        await Should.ThrowAsync<HttpRequestException>(() => held.Answer.WaitAsync(Patience));
        // It has said as little for longer.
        (await coordinator.Workers.ListAsync(new Proto.ListWorkersRequest(), coordinator.Admin)).Workers.ShouldHaveSingleItem().Alive.ShouldBeTrue();
    }

    [Fact]
    public async Task Metadata_has_a_limit()
    {
        await using var coordinator = await SecureCoordinator.StartAsync();
        var large = coordinator.Admin;
        large.Add("x-large", new string('x', 20_000));
        await Should.ThrowAsync<RpcException>(async () => await coordinator.Tokens.WhoAmIAsync(new Proto.WhoAmIRequest(), large));
        (await CodeAsync(coordinator, coordinator.Admin)).ShouldBe(StatusCode.OK);
    }

    [Theory]
    [InlineData(-1, 1, 1, 1)]
    [InlineData(1, -1, 1, 1)]
    [InlineData(1, 1, -1, 1)]
    [InlineData(1, 1, 1, 0)]
    public async Task Limits_that_are_none_are_refused(int jobs, int calls, int burst, int wrong)
    {
        var limits = new UserLimits { UnfinishedJobs = jobs, CallsPerSecond = calls, CallBurst = burst, WrongTokensPerMinute = wrong };
        (await Should.ThrowAsync<ArgumentException>(() => TestCoordinator.StartAsync(change: options => options with { Limits = limits }))).Message.ShouldContain("WrongTokensPerMinute");
    }

    [Fact]
    public async Task Options_that_cannot_be_are_refused()
    {
        using var authority = new TestAuthority();
        using var folder = new TemporaryFolder();
        var trust = new TrustFile(authority.WriteTo(folder.File("authority.crt")));
        foreach (var (change, named) in (IEnumerable<(Func<CoordinatorOptions, CoordinatorOptions>, string)>)
        [
            (options => options with { Limits = new UserLimits { CallsPerSecond = int.MaxValue, CallBurst = 1 } }, "CallBurst"),
            (options => options with { Retention = new RetentionOptions { BatchRows = 0 } }, "BatchRows"),
            (options => options with { Retention = new RetentionOptions { Interval = TimeSpan.Zero } }, "Interval"),
            (options => options with { WorkerAuthorities = trust }, "WorkerAuthorities"),
        ])
            (await Should.ThrowAsync<ArgumentException>(() => TestCoordinator.StartAsync(change: change))).Message.ShouldContain(named);
    }

    private static async Task<StatusCode> CodeAsync(SecureCoordinator coordinator, Metadata caller)
    {
        try
        {
            await coordinator.Tokens.WhoAmIAsync(new Proto.WhoAmIRequest(), caller);
            return StatusCode.OK;
        }
        catch (RpcException exception)
        {
            return exception.StatusCode;
        }
    }
}
