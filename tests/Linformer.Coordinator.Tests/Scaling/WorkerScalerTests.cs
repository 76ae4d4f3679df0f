using Linformer.Coordinator.Scaling;
using Linformer.Coordinator.Tests.Services;
using Linformer.Coordinator.Tests.Storage;
using Microsoft.AspNetCore.Http;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Scaling;

/// <summary>A real coordinator that scales a StatefulSet on a server that speaks as Kubernetes' does.</summary>
public sealed class WorkerScalerTests : IAsyncLifetime
{
    private readonly CancellationToken _limit = new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;
    private readonly LogCollector _log = new();
    private FakeKubernetes _kubernetes = null!;

    public async Task InitializeAsync() => _kubernetes = await FakeKubernetes.StartAsync(replicas: 0);

    public async Task DisposeAsync() => await _kubernetes.DisposeAsync();

    [Fact]
    public async Task Workers_come_with_jobs_and_go_without()
    {
        await using var coordinator = await StartAsync();
        var job = await coordinator.SubmitAsync(min: 2);
        await Until(() => _kubernetes.Replicas == 2);

        await coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = job.Id, Who = "ada" });
        await Until(() => _kubernetes.Replicas == 0);

        var tokens = new Proto.Tokens.TokensClient(coordinator.Channel);
        await Until(() => tokens.Audit(new Proto.AuditRequest { User = "coordinator" }).Entries.Any(
            entry => entry is { Method: "scale", Target: "StatefulSet linformer-worker", Outcome: "from 0 to 2 workers: jobs need 2 slots" }));
        await Until(() => _log.Lines.Contains("StatefulSet linformer-worker goes from 0 to 2 workers: jobs need 2 slots"));
        await Until(() => _log.Lines.Contains("StatefulSet linformer-worker goes from 2 to 0 workers: jobs need 0 slots"));
    }

    [Fact]
    public async Task An_idle_worker_is_drained_before_it_is_removed_and_not_when_it_comes_back()
    {
        var drained = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var coordinator = await StartAsync(idle: TimeSpan.FromSeconds(0.3));
        _kubernetes.Forbids = context =>
        {
            if (HttpMethods.IsPatch(context.Request.Method) && !drained.Task.IsCompleted)
                drained.TrySetResult(coordinator.Workers.List(new Proto.ListWorkersRequest()).Workers.Single().Drained);
            return false;
        };
        using (var agent = new FakeAgent(coordinator))
        {
            await agent.JoinAsync("linformer-worker-0", slots: 1);
            _kubernetes.Scale(1);
            (await drained.Task.WaitAsync(_limit)).ShouldBeTrue();
            await Until(() => _kubernetes.Replicas == 0);
            // As a pod that is told to end: it says that it leaves, and goes.
            await agent.SendAsync(new Proto.Status { Draining = true });
            await agent.CompleteAsync();
        }

        await coordinator.SubmitAsync(min: 1);
        await Until(() => _kubernetes.Replicas == 2);
        using var again = new FakeAgent(coordinator);
        await again.JoinAsync("linformer-worker-0", slots: 1);
        await Until(() => coordinator.Workers.List(new Proto.ListWorkersRequest()).Workers.Any(worker => worker is { Name: "linformer-worker-0", Drained: false }));
    }

    [Fact]
    public async Task A_coordinator_that_scales_no_more_takes_back_what_scaling_has_drained_and_nothing_else()
    {
        using var folder = new TemporaryFolder();
        _kubernetes.Forbids = context => HttpMethods.IsPatch(context.Request.Method);
        _kubernetes.Scale(1);
        await using (var coordinator = await StartAsync(folder: folder))
        {
            using var agent = new FakeAgent(coordinator);
            await agent.JoinAsync("linformer-worker-0", slots: 1);
            using var other = new FakeAgent(coordinator);
            await other.JoinAsync("box", slots: 1);
            await coordinator.Workers.DrainAsync(new Proto.DrainWorkerRequest { Worker = "box", Who = "ada", Why = "new kernel" });
            await Until(() => Drained(coordinator, "linformer-worker-0"));
        }

        await using var next = await TestCoordinator.StartAsync(folder, logger: _log.Logger);
        await Until(() => !Drained(next, "linformer-worker-0"));
        Drained(next, "box").ShouldBeTrue();
    }

    [Fact]
    public async Task A_conflict_is_decided_anew_from_how_it_is_then()
    {
        var conflicts = 0;
        _kubernetes.Forbids = context =>
        {
            // Somebody else is quicker, twice.
            if (HttpMethods.IsPatch(context.Request.Method) && ++conflicts <= 2)
                _kubernetes.Scale(conflicts == 1 ? 1 : 0);
            return false;
        };
        await using var coordinator = await StartAsync();
        await coordinator.SubmitAsync(min: 2);

        await Until(() => _kubernetes.Replicas == 2);

        conflicts.ShouldBe(3);
        _log.Lines.ShouldNotContain(line => line.Contains("not scaled now"));
    }

    [Fact]
    public async Task A_missing_right_is_told_once_and_scaling_goes_on_when_it_is_given()
    {
        _kubernetes.Forbids = context => HttpMethods.IsPatch(context.Request.Method);
        await using var coordinator = await StartAsync();
        await coordinator.SubmitAsync(min: 2);
        await Until(() => _kubernetes.Requests.Count(request => request.StartsWith("PATCH", StringComparison.Ordinal)) >= 2);

        _kubernetes.Forbids = _ => false;
        await Until(() => _log.Lines.Contains("StatefulSet linformer-worker can be scaled again"));

        _kubernetes.Replicas.ShouldBe(2);
        _log.Lines.Where(line => line.StartsWith("Workers are not scaled now", StringComparison.Ordinal)).ShouldHaveSingleItem().ShouldContain("verbs: [patch]");
    }

    [Fact]
    public async Task Without_the_right_to_watch_the_size_is_asked_for()
    {
        _kubernetes.Forbids = context => context.Request.Query.ContainsKey("watch");
        await using var coordinator = await StartAsync();
        await coordinator.SubmitAsync(min: 2);

        await Until(() => _kubernetes.Replicas == 2);

        _log.Lines.ShouldContain(line => line.Contains("resources: [statefulsets], resourceNames: [linformer-worker], verbs: [watch]"));
    }

    [Fact]
    public async Task What_a_person_changes_is_mended()
    {
        await using var coordinator = await StartAsync();
        await coordinator.SubmitAsync(min: 2);
        await Until(() => _kubernetes.Replicas == 2);

        _kubernetes.Scale(0);

        await Until(() => _kubernetes.Replicas == 2);
    }

    [Fact]
    public async Task A_coordinator_that_is_told_to_scale_where_it_cannot_does_not_start() =>
        (await Should.ThrowAsync<KubernetesException>(() => TestCoordinator.StartAsync(change: options => options with { Scaling = _kubernetes.Options() with { AccountFolder = "/nowhere" } })))
            .Message.ShouldContain("/nowhere");

    private static bool Drained(TestCoordinator coordinator, string worker) =>
        coordinator.Workers.List(new Proto.ListWorkersRequest()).Workers.Single(one => one.Name == worker).Drained;

    private Task<TestCoordinator> StartAsync(TimeSpan idle = default, TemporaryFolder? folder = null) =>
        TestCoordinator.StartAsync(folder, change: options => options with { Scaling = _kubernetes.Options() with { IdleTime = idle } }, logger: _log.Logger);

    private async Task Until(Func<bool> condition)
    {
        while (!condition())
        {
            _limit.IsCancellationRequested.ShouldBeFalse(string.Join('\n', _log.Lines));
            await Task.Delay(10, CancellationToken.None);
        }
    }
}
