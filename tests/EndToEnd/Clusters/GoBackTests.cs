using System.Text.Json;

namespace EndToEnd.Clusters;

/// <summary>Going back to a checkpoint that a person has chosen, with real ranks.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class GoBackTests : IDisposable
{
    private const string Chosen = "l0000-g0001-s00000020";

    private readonly Workspace _workspace = new();

    public void Dispose() => _workspace.Dispose();

    [Fact]
    public async Task A_running_job_goes_back_and_ends_with_the_weights_of_its_history_though_the_coordinator_is_killed()
    {
        await using var cluster = new Cluster(_workspace);
        await cluster.StartCoordinatorAsync();
        cluster.StartWorker("w1", slots: 2);
        await cluster.WaitForWorkersAsync(1);
        // Both from the first step on, however long one of them takes to start.
        var file = _workspace.Job("choice", steps: 1500, ranks: "{ min: 2, max: 2 }");
        File.WriteAllText(file, File.ReadAllText(file).Replace("checkpointEvery: 10", "checkpointEvery: 20\n  keepCheckpoints: 1000", StringComparison.Ordinal));
        var job = await cluster.SubmitAsync(file);
        await cluster.WaitForRecordedStepAsync(job, 60);

        var back = await cluster.JsonAsync("go-back", job, Chosen, "--skip-steps", "3", "--why", "the loss rose");
        cluster.Coordinator.Signal("KILL");
        await cluster.Coordinator.WaitAsync();
        await cluster.StartCoordinatorAsync();

        back.GetProperty("state").GetString().ShouldBe("running");
        // Nobody has started the job twice.
        await cluster.WaitForStateAsync(job, "succeeded");
        var shown = await cluster.ShowAsync(job);
        shown.GetProperty("job").GetProperty("lineage").GetInt32().ShouldBe(1);
        shown.GetProperty("lastMetrics").GetProperty("lineage").GetInt32().ShouldBe(1);
        var history = await cluster.HistoryAsync(job);
        history.ShouldContain(entry => entry.Contains($"lineage 1 started: back to checkpoint {Chosen}, steps 21 to 23 are left out (the loss rose)", StringComparison.Ordinal));
        history.ShouldContain(entry => entry.Contains($"Lineage 1 goes on from checkpoint {Chosen} (step 20).", StringComparison.Ordinal));

        // What went into the weights: 20 steps, three that were left out, and all others once.
        var recorded = Path.Combine(_workspace.Root, "jobs", job, "history.json");
        using (var json = JsonDocument.Parse(File.ReadAllText(recorded)))
        {
            var segments = json.RootElement.GetProperty("segments").EnumerateArray()
                .Select(segment => (From: segment.GetProperty("from").GetInt64(), Ranks: segment.GetProperty("ranks").GetInt32())).ToList();
            segments.ShouldContain((21L, 0));
            segments.Where(segment => segment.Ranks == 0).ShouldHaveSingleItem();
            segments[segments.IndexOf((21L, 0)) + 1].From.ShouldBe(24);
        }

        await LinformerProcess.SucceedAsync(_workspace.Train(file, "--replay", recorded, "--name", "again"));
        _workspace.WeightsHash(job).ShouldBe(_workspace.WeightsHash("again"));

        // The checkpoint is exported as the ranks wrote it, and the job goes with all its files.
        var to = Path.Combine(_workspace.Root, "exported");
        (await cluster.RunAsync("export", job, "--checkpoint", Chosen, "--to", to)).ExitCode.ShouldBe(0);
        foreach (var name in Directory.GetFiles(Path.Combine(_workspace.Checkpoints(job), Chosen)).Select(Path.GetFileName))
        {
            File.ReadAllBytes(Path.Combine(to, name!)).ShouldBe(File.ReadAllBytes(Path.Combine(_workspace.Checkpoints(job), Chosen, name!)));
        }

        (await cluster.RunAsync("go-back", job, Chosen)).Error.ShouldContain("has succeeded");
        (await cluster.RunAsync("delete", job, "--yes")).ExitCode.ShouldBe(0);
        Directory.Exists(Path.Combine(_workspace.Root, "jobs", job)).ShouldBeFalse();
        Directory.Exists(_workspace.Model(job)).ShouldBeFalse();
        (await cluster.RunAsync("show", job)).Error.ShouldContain("There is no job");
    }
}
