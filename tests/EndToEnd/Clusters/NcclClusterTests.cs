namespace EndToEnd.Clusters;

/// <summary>Coordinator, workers and ranks, with NCCL's double in the place of the real library.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class NcclClusterTests : IDisposable
{
    private readonly Workspace _workspace = new();

    public void Dispose() => _workspace.Dispose();

    [Theory]
    [InlineData("0")]
    [InlineData("1")] // The library hears nothing of the loss: the coordinator's order is what ends the wait.
    public async Task A_rank_that_is_killed_leads_to_another_generation_and_the_job_gets_to_its_end(string silent)
    {
        var variables = Linformer.NcclDouble.Double.Variables.Select(variable => $"{variable.Key}={variable.Value}");
        await using var cluster = new Cluster(_workspace)
        {
            // A collective takes a while, so that the kill comes in the middle of one.
            WorkerPrefix = ["env", .. variables, "LINFORMER_PROCESS_GROUP=nccl", $"NCCL_DOUBLE_SILENT_PEERS={silent}", "NCCL_DOUBLE_DELAY_MS=10"],
        };
        await cluster.StartCoordinatorAsync();
        string[] workers = ["w1", "w2", "w3"];
        Array.ForEach(workers, name => cluster.StartWorker(name, more: ["--device", "cpu"]));
        await cluster.WaitForWorkersAsync(3);
        var job = await cluster.SubmitAsync(_workspace.Job("killed", steps: 250, ranks: "{ min: 2, max: 3 }"));
        await cluster.WaitForRecordedStepAsync(job, 10);

        LinformerProcess.Signal(cluster.Worker("w2").Children().ShouldHaveSingleItem(), "KILL");

        await cluster.WaitForStateAsync(job, "succeeded");
        var history = string.Join('\n', await cluster.HistoryAsync(job));
        history.ShouldContain("generation 2");
        history.ShouldContain("SIGKILL");
        // From the survivors' memory: nothing was done twice.
        Directory.GetFiles(Path.Combine(_workspace.Root, "jobs", job, "logs")).Select(File.ReadAllText)
            .ShouldContain(log => log.Contains("is ready on cpu with NCCL 2.27.3", StringComparison.Ordinal) && log.Contains("g2", StringComparison.Ordinal) && log.Contains(", held", StringComparison.Ordinal));
    }
}
