using Linformer.Chaos.Network;

namespace EndToEnd.Clusters;

/// <summary>A coordinator and three workers on four machines, with everything going wrong that a working day brings.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class NetworkedClusterTests : IDisposable
{
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
        var first = await cluster.SubmitAsync(_workspace.Job("first", steps: 1500, ranks: "{ min: 3, max: 3 }"));
        var second = await cluster.SubmitAsync(_workspace.Job("second", steps: 300, ranks: "{ min: 3, max: 3 }"));
        var third = await cluster.SubmitAsync(_workspace.Job("third", steps: 300, ranks: "{ min: 3, max: 3 }"));

        // In order: the first runs, the others wait; one of them is cancelled while it waits.
        await cluster.WaitForStepAsync(first, 20);
        (await cluster.StateAsync(second)).ShouldBe("queued");
        await cluster.JsonAsync("cancel", third, "--why", "not needed");
        (await cluster.StateAsync(third)).ShouldBe("cancelled");

        // A pause hands the slots to the second job, which takes a killed worker and a killed coordinator.
        await cluster.JsonAsync("pause", first, "--why", "the other one is urgent");
        await cluster.WaitForStateAsync(first, "paused");
        await cluster.WaitForStepAsync(second, 20);
        cluster.Worker("w2").Signal("KILL");
        cluster.StartWorker("w2", machine: 2);
        await cluster.WaitForStateAsync(second, "running");
        await cluster.WaitForStepAsync(second, 60);
        cluster.Coordinator.Signal("KILL");
        await cluster.Coordinator.WaitAsync();
        await cluster.StartCoordinatorAsync();
        await cluster.JsonAsync("resume", first);
        await cluster.WaitForStateAsync(second, "succeeded");
        await cluster.WaitForStateAsync(first, "succeeded");

        foreach (var (job, steps) in new[] { (first, 1500), (second, 300) })
        {
            File.Exists(Path.Combine(_workspace.Model(job), "model.safetensors")).ShouldBeTrue();
            Cluster.Number((await cluster.ShowAsync(job)).GetProperty("result").GetProperty("steps")).ShouldBe(steps);
        }

        var history = await cluster.HistoryAsync(first);
        history.ShouldContain(e => e.StartsWith("person:", StringComparison.Ordinal) && e.Contains("the other one is urgent", StringComparison.Ordinal));
        history[^1].ShouldEndWith("-> succeeded");
        (await cluster.HistoryAsync(second)).ShouldContain(e => e.Contains("w2", StringComparison.Ordinal));
        (await cluster.HistoryAsync(third)).ShouldContain(e => e.Contains("not needed", StringComparison.Ordinal));
    }
}
