using Grpc.Core;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

public sealed class WorkersServiceTests : IAsyncLifetime
{
    private TestCoordinator _coordinator = null!;

    public async Task InitializeAsync() => _coordinator = await TestCoordinator.StartAsync();

    public async Task DisposeAsync() => await _coordinator.DisposeAsync();

    [Fact]
    public async Task A_drain_stays_when_the_agent_is_started_again_until_it_is_taken_back()
    {
        using (var agent = new FakeAgent(_coordinator))
        {
            await agent.JoinAsync("w1");
            (await _coordinator.Workers.DrainAsync(new Proto.DrainWorkerRequest { Worker = "w1", Who = "ada", Why = "new kernel" })).Drained.ShouldBeTrue();
            await agent.CompleteAsync();
            await agent.ReadToEndAsync();
        }

        using var again = new FakeAgent(_coordinator);
        await again.JoinAsync("w1", instance: "another");
        (await ListAsync()).Drained.ShouldBeTrue();
        await _coordinator.SubmitAsync();
        (await UntilAsync(job => job.Reason.Length > 0)).Reason.ShouldBe("needs at least 1 slot; the cluster has 0");

        (await _coordinator.Workers.DrainAsync(new Proto.DrainWorkerRequest { Worker = "w1", Undo = true })).Drained.ShouldBeFalse();
        (await UntilAsync(job => job.State == Proto.JobState.Preparing)).Id.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task A_worker_that_is_not_known_is_named_with_those_that_are()
    {
        (await RefusedAsync("w9")).ShouldBe("There is no worker 'w9'; there are none.");
        using var one = new FakeAgent(_coordinator);
        await one.JoinAsync("w1");
        (await RefusedAsync("w9")).ShouldBe("There is no worker 'w9'; there is w1.");
        using var two = new FakeAgent(_coordinator);
        await two.JoinAsync("w2");
        (await RefusedAsync("")).ShouldBe("There is no worker ''; there are w1, w2.");
    }

    [Fact]
    public async Task Texts_of_a_drain_are_bounded()
    {
        await Refused.With(StatusCode.InvalidArgument, async () => await _coordinator.Workers.DrainAsync(new Proto.DrainWorkerRequest { Worker = "w1", Why = new string('x', 2000) }));
        await Refused.With(StatusCode.InvalidArgument, async () => await _coordinator.Workers.DrainAsync(new Proto.DrainWorkerRequest { Worker = "w1", Who = "a\nb" }));
    }

    private async Task<string> RefusedAsync(string worker) =>
        (await Refused.With(StatusCode.NotFound, async () => await _coordinator.Workers.DrainAsync(new Proto.DrainWorkerRequest { Worker = worker }))).Status.Detail;

    private async Task<Proto.Worker> ListAsync() => (await _coordinator.Workers.ListAsync(new Proto.ListWorkersRequest())).Workers.ShouldHaveSingleItem();

    private async Task<Proto.Job> UntilAsync(Func<Proto.Job, bool> condition)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            var job = (await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest(), cancellationToken: patience.Token)).Jobs.ShouldHaveSingleItem();
            if (condition(job))
                return job;
            await Task.Delay(20, patience.Token);
        }
    }
}
