using Grpc.Core;
using Linformer.Coordinator.Tests.Services;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Access;

public sealed class LimitTests
{
    [Fact]
    public async Task A_user_who_calls_too_often_is_refused_and_others_are_not()
    {
        await using var coordinator = await SecureCoordinator.StartAsync(change: options => options with { Limits = new UserLimits { CallsPerSecond = 1, CallBurst = 20 } });
        var ada = await coordinator.AsAsync("ada", Proto.Role.Viewer);
        var bob = await coordinator.AsAsync("bob", Proto.Role.Viewer);
        var calls = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => CodeAsync(coordinator, ada)));
        calls.Distinct().ShouldBe([StatusCode.OK, StatusCode.ResourceExhausted], ignoreOrder: true);
        calls.Count(code => code == StatusCode.OK).ShouldBeGreaterThanOrEqualTo(20);
        // Another token of the same user does not help; another user has calls of its own.
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
