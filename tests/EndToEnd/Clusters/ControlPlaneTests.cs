using System.Text.Json;

namespace EndToEnd.Clusters;

/// <summary>What people and workers do wrong with a coordinator, and what it answers.</summary>
[Trait("Lane", "Processes")]
public sealed class ControlPlaneTests : IDisposable
{
    private readonly Workspace _workspace = new();

    public void Dispose() => _workspace.Dispose();

    [Fact]
    public async Task A_job_is_submitted_watched_and_exported()
    {
        await using var cluster = new Cluster(_workspace);
        await cluster.StartCoordinatorAsync();
        cluster.StartWorker("w1", slots: 2);
        await cluster.WaitForWorkersAsync(1);

        var watched = await cluster.RunAsync("submit", _workspace.Job("good", ranks: "{ min: 2, max: 2 }"), "--watch");

        watched.ExitCode.ShouldBe(0, watched.Error);
        watched.Output.ShouldContain("perplexity");
        var to = Path.Combine(_workspace.Root, "exported");
        (await cluster.RunAsync("export", "good", "--to", to)).ExitCode.ShouldBe(0);
        var id = (await cluster.ShowAsync("good")).GetProperty("job").GetProperty("id").GetString()!;
        foreach (var name in new[] { "model.safetensors", "config.json", "tokenizer.json" })
        {
            File.ReadAllBytes(Path.Combine(to, name)).ShouldBe(File.ReadAllBytes(Path.Combine(_workspace.Model(id), name)));
        }

        (await cluster.RunAsync("logs", "good", "--rank", "1")).Output.ShouldContain("Rank 1 of 2");
        (await cluster.RunAsync("checkpoints", "good")).Output.ShouldContain("s00000050");

        // The trained weights are those of the same job without a coordinator.
        await LinformerProcess.SucceedAsync(_workspace.Train(_workspace.Job("alone"), "--replay", History(id)));
        _workspace.WeightsHash(id).ShouldBe(_workspace.WeightsHash("alone"));
    }

    [Fact]
    public async Task Coordinator_and_workers_log_with_properties_for_people_and_for_programs()
    {
        await using var cluster = new Cluster(_workspace);
        await cluster.StartCoordinatorAsync();
        cluster.StartWorker("w1");
        cluster.StartWorker("w2", more: ["--log-format", "json"]);
        await cluster.WaitForWorkersAsync(2);
        var job = await cluster.SubmitAsync(_workspace.Job("logged", steps: 10, ranks: "{ min: 2, max: 2 }"));
        await cluster.WaitForStateAsync(job, "succeeded");

        var text = await StopAsync(cluster.Worker("w1"));
        var json = await StopAsync(cluster.Worker("w2"));
        var coordinator = await StopAsync(cluster.Coordinator);

        text.ShouldMatch($@"\[.*{job} l0 g1 r\d.*\] Rank \d goes on from step");
        coordinator.ShouldMatch($@"\[.*{job} l0 g1.*\] Job {job}: generation 1 started with 2 ranks");
        json.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("Properties"))
            .Any(properties => properties.TryGetProperty("JobId", out var id) && id.GetString() == job
                && properties.TryGetProperty("Generation", out var generation) && generation.GetInt32() == 1
                && properties.TryGetProperty("Rank", out _))
            .ShouldBeTrue(json);

        static async Task<string> StopAsync(LinformerProcess process)
        {
            process.Signal("TERM");
            var result = await process.WaitAsync();
            result.ExitCode.ShouldBe(0, result.Error);
            return result.Error;
        }
    }

    [Fact]
    public async Task The_same_submission_is_one_job_and_the_same_file_twice_are_two()
    {
        await using var cluster = new Cluster(_workspace);
        await cluster.StartCoordinatorAsync();
        var file = _workspace.Job("twice");

        var first = await cluster.SubmitAsync(file, "--key", "submission-1");
        var again = await cluster.SubmitAsync(file, "--key", "submission-1");
        var second = await cluster.SubmitAsync(file);
        var conflict = await cluster.RunAsync("submit", _workspace.Job("other"), "--key", "submission-1");

        again.ShouldBe(first);
        second.ShouldNotBe(first);
        (await cluster.JsonAsync("jobs")).GetProperty("jobs").GetArrayLength().ShouldBe(2);
        conflict.ExitCode.ShouldBe(1);
        conflict.Error.ShouldContain("submission-1");
    }

    [Fact]
    public async Task A_job_larger_than_the_cluster_waits_and_says_so_and_others_go_on()
    {
        await using var cluster = new Cluster(_workspace);
        await cluster.StartCoordinatorAsync();
        cluster.StartWorker("w1", slots: 1);
        await cluster.WaitForWorkersAsync(1);

        var large = await cluster.SubmitAsync(_workspace.Job("large", ranks: "{ min: 4, max: 6 }", more: "priority: 10"));
        var small = await cluster.SubmitAsync(_workspace.Job("small", ranks: "{ max: 1 }"));
        await cluster.WaitForStateAsync(small, "succeeded");

        var job = (await cluster.ShowAsync(large)).GetProperty("job");
        job.GetProperty("state").GetString().ShouldBe("queued");
        job.GetProperty("reason").GetString()!.ShouldContain("4 slots");
    }

    [Fact]
    public async Task A_worker_without_the_token_or_with_a_taken_name_is_told_why_and_ends()
    {
        await using var cluster = new Cluster(_workspace);
        await cluster.StartCoordinatorAsync();
        cluster.StartWorker("w1");
        await cluster.WaitForWorkersAsync(1);
        var wrong = Path.Combine(_workspace.Root, "wrong-token");
        await File.WriteAllTextAsync(wrong, "nonsense");
        string[] worker = ["worker", "--coordinator", cluster.Endpoint, "--data", _workspace.Root];

        var stranger = await LinformerProcess.RunAsync([.. worker, "--name", "w2", "--join-token-file", wrong]);
        var twin = await LinformerProcess.RunAsync([.. worker, "--name", "w1", "--join-token-file", Path.Combine(_workspace.Root, "coordinator", "join-token")]);

        stranger.ExitCode.ShouldBe(1);
        stranger.Error.ShouldContain("token");
        twin.ExitCode.ShouldBe(1);
        twin.Error.ShouldContain("w1");
        await cluster.WaitForWorkersAsync(1);
    }

    [Fact]
    public async Task A_rank_killed_over_and_over_fails_the_job_with_its_signal_and_log()
    {
        await using var cluster = new Cluster(_workspace);
        await cluster.StartCoordinatorAsync();
        cluster.StartWorker("w1", slots: 2);
        await cluster.WaitForWorkersAsync(1);
        var job = await cluster.SubmitAsync(_workspace.Job("killed", steps: 100_000));

        // Before its first step, so that there is no progress between the failures; a command takes longer than that on its own.
        var failed = cluster.WaitForStateAsync(job, "failed");
        while (!failed.IsCompleted)
        {
            foreach (var rank in cluster.Worker("w1").Children())
            {
                LinformerProcess.Signal(rank, "KILL");
            }

            await Task.Delay(5);
        }

        await failed;

        var shown = await cluster.ShowAsync(job);
        shown.GetProperty("lastFailure").GetProperty("signal").GetString().ShouldBe("SIGKILL");
        (await cluster.RunAsync("show", job)).Output.ShouldContain("SIGKILL");
        (await cluster.HistoryAsync(job))[^1].ShouldEndWith("-> failed");
    }

    [Fact]
    public async Task A_rank_that_is_killed_once_costs_no_step_and_the_recorded_history_gives_the_same_weights()
    {
        await using var cluster = new Cluster(_workspace);
        await cluster.StartCoordinatorAsync();
        cluster.StartWorker("w1", slots: 2);
        await cluster.WaitForWorkersAsync(1);
        var file = _workspace.Job("broken", steps: 400);
        var job = await cluster.SubmitAsync(file);
        await cluster.WaitForRecordedStepAsync(job, 30);

        LinformerProcess.Signal(cluster.Worker("w1").Children()[0], "KILL");
        await cluster.WaitForStateAsync(job, "succeeded");

        await LinformerProcess.SucceedAsync(_workspace.Train(file, "--replay", History(job), "--name", "again"));
        _workspace.WeightsHash(job).ShouldBe(_workspace.WeightsHash("again"));
        (await cluster.HistoryAsync(job)).ShouldContain(entry => entry.Contains("SIGKILL", StringComparison.Ordinal));
    }

    private string History(string job) => Path.Combine(_workspace.Root, "jobs", job, "history.json");
}
