using Linformer.Chaos.Network;
using Linformer.Protocol.V1;

namespace EndToEnd.Clusters;

/// <summary>A coordinator and three workers on four machines, with everything going wrong that a working day brings.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class NetworkedClusterTests : IDisposable
{
    private const int Steps = 1000;
    private const int Endless = 1_000_000;

    private readonly Workspace _workspace = new();

    public void Dispose() => _workspace.Dispose();

    [SkippableFact]
    public async Task Two_jobs_survive_a_pause_a_killed_worker_and_a_killed_coordinator()
    {
        Skip.IfNot(MachineNetwork.IsPossible, "network namespaces need root");
        using var network = new MachineNetwork(machines: 4);
        await using var cluster = new Cluster(_workspace, network);
        await cluster.StartCoordinatorAsync();
        for (var machine = 1; machine <= 3; machine++)
        {
            cluster.StartWorker($"w{machine}", machine);
        }

        await cluster.WaitForWorkersAsync(3);
        // In order: the first runs, and then the second, which lasts until somebody ends it, while the third waits.
        var first = await cluster.SubmitAsync(_workspace.Job("first", Steps, ranks: "{ min: 3, max: 3 }"));
        await cluster.WaitForRecordedStepAsync(first, 20);
        await cluster.JsonAsync("pause", first, "--why", "the other one is urgent");
        await cluster.WaitForStateAsync(first, "paused");
        cluster.Recorded(first, "max(step)").ShouldBeLessThan(Steps);
        var second = await cluster.SubmitAsync(_workspace.Job("second", Endless, ranks: "{ min: 3, max: 3 }"));
        await cluster.WaitForStepAsync(second, 20);
        var third = await cluster.SubmitAsync(_workspace.Job("third", Endless, ranks: "{ min: 3, max: 3 }"));
        await cluster.JsonAsync("resume", first);
        await cluster.WaitForJobAsync(first, job => job.Job.State != JobState.Paused, "the first job is resumed");
        (await cluster.StateAsync(first)).ShouldBe("queued");
        (await cluster.StateAsync(third)).ShouldBe("queued");
        await cluster.JsonAsync("cancel", third, "--why", "not needed");
        (await cluster.StateAsync(third)).ShouldBe("cancelled");

        // The second takes a killed worker and a killed coordinator.
        var before = await cluster.WaitForRecordedStepAsync(second, 20);
        cluster.Worker("w2").Signal("KILL");
        cluster.StartWorker("w2", machine: 2);
        await cluster.WaitForJobAsync(second, job => job.Job.Generation > 1, "the second job goes on with another generation");
        before = await cluster.WaitForRecordedStepAsync(second, before + 40);
        cluster.Coordinator.Signal("KILL");
        await cluster.Coordinator.WaitAsync();
        await cluster.StartCoordinatorAsync();
        await cluster.WaitForRecordedStepAsync(second, before + 40);
        await cluster.JsonAsync("cancel", second);
        cluster.Recorded(second, "max(step) - count(DISTINCT step)").ShouldBe(0);

        await cluster.WaitForStateAsync(first, "succeeded");
        await cluster.WaitForAllStepsAsync(first, Steps);
        File.Exists(Path.Combine(_workspace.Model(first), "model.safetensors")).ShouldBeTrue();
        Cluster.Number((await cluster.ShowAsync(first)).GetProperty("result").GetProperty("steps")).ShouldBe(Steps);

        var history = await cluster.HistoryAsync(first);
        history.ShouldContain(e => e.StartsWith("person:", StringComparison.Ordinal) && e.Contains("the other one is urgent", StringComparison.Ordinal));
        history[^1].ShouldEndWith("-> succeeded");
        (await cluster.HistoryAsync(second)).ShouldContain(e => e.Contains("w2", StringComparison.Ordinal));
        (await cluster.HistoryAsync(third)).ShouldContain(e => e.Contains("not needed", StringComparison.Ordinal));
    }
}
