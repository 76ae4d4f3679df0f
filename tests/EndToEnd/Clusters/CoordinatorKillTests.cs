namespace EndToEnd.Clusters;

/// <summary>A coordinator that is killed again and again loses no job, no step and no metric.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class CoordinatorKillTests : IDisposable
{
    private const int Kills = 4;
    private const int Steps = 300;

    private readonly Workspace _workspace = new();

    public void Dispose() => _workspace.Dispose();

    [Fact]
    public async Task Jobs_go_on_whenever_the_coordinator_is_killed()
    {
        await LinformerProcess.SucceedAsync(_workspace.Train(_workspace.Job("whole", steps: Steps)));
        await using var cluster = new Cluster(_workspace);
        await cluster.StartCoordinatorAsync();
        // What is killed here is the coordinator alone, however busy the machine is.
        string[] patient = ["--hang-timeout", "60"];
        cluster.StartWorker("w1", more: patient);
        cluster.StartWorker("w2", more: patient);
        await cluster.WaitForWorkersAsync(2);
        var random = new Random(11);

        // From the moment of submission on: while the corpus is prepared, ranks start, steps are taken, and the next job waits.
        var jobs = new List<string>
        {
            await cluster.SubmitAsync(_workspace.Job("first", steps: Steps, ranks: "{ min: 2, max: 2 }")),
            await cluster.SubmitAsync(_workspace.Job("second", steps: Steps, ranks: "{ min: 2, max: 2 }")),
        };
        for (var kill = 0; kill < Kills; kill++)
        {
            await Task.Delay(random.Next(2500));
            cluster.Coordinator.Signal("KILL");
            await cluster.Coordinator.WaitAsync();
            await cluster.StartCoordinatorAsync();
        }

        foreach (var job in jobs)
        {
            await cluster.WaitForStateAsync(job, "succeeded");
            _workspace.WeightsHash(job).ShouldBe(_workspace.WeightsHash("whole"));
            await cluster.WaitForAllStepsAsync(job, Steps);
            // No rank was lost that trained. A generation that was recorded as the coordinator was killed, before any rank had heard of
            // it, forms again under another number.
            cluster.Recorded(job, "count(DISTINCT generation)").ShouldBe(1, string.Join('\n', await cluster.HistoryAsync(job)));
        }
    }
}
