namespace EndToEnd;

[Trait("Lane", "Processes")]
public sealed class DeterminismTests : IDisposable
{
    private readonly Workspace _workspace = new();

    public void Dispose() => _workspace.Dispose();

    [Fact]
    public async Task One_two_and_three_ranks_give_the_same_losses()
    {
        var losses = new List<double[]>();
        for (var ranks = 1; ranks <= 3; ranks++)
        {
            var job = $"ranks-{ranks}";
            await LinformerProcess.SucceedAsync(_workspace.Train(_workspace.Job(job), "--ranks", $"{ranks}"));
            losses.Add(_workspace.Losses(job));
        }

        losses[0].Length.ShouldBe(50);
        losses[0][^1].ShouldBeLessThan(losses[0][0] - 0.5); // it learns
        for (var step = 0; step < 50; step++)
        {
            losses[1][step].ShouldBe(losses[0][step], 1e-4 * losses[0][step], $"2 ranks, step {step + 1}");
            losses[2][step].ShouldBe(losses[0][step], 1e-4 * losses[0][step], $"3 ranks, step {step + 1}");
        }
    }

    [Fact]
    public async Task The_same_job_twice_gives_the_same_bits_and_another_seed_does_not()
    {
        await LinformerProcess.SucceedAsync(_workspace.Train(_workspace.Job("first", steps: 20)));
        await LinformerProcess.SucceedAsync(_workspace.Train(_workspace.Job("second", steps: 20)));
        var seeded = _workspace.Job("third", steps: 20);
        File.WriteAllText(seeded, File.ReadAllText(seeded).Replace("training:", "training:\n  seed: 2", StringComparison.Ordinal));
        await LinformerProcess.SucceedAsync(_workspace.Train(seeded));

        _workspace.WeightsHash("second").ShouldBe(_workspace.WeightsHash("first"));
        _workspace.Losses("second").ShouldBe(_workspace.Losses("first"));
        _workspace.WeightsHash("third").ShouldNotBe(_workspace.WeightsHash("first"));
    }

    [Fact]
    public async Task Stopped_and_killed_and_resumed_gives_the_bits_of_never_stopped()
    {
        // Far more than are taken until the stops, of which each takes the time of many steps on a fast machine.
        const int Steps = 1000;
        await LinformerProcess.SucceedAsync(_workspace.Train(_workspace.Job("whole", steps: Steps)));
        var file = _workspace.Job("broken", steps: Steps);

        await StopAsync(file, moreSteps: 13, process => process.Signal("INT"), exitCode: 130);
        await StopAsync(file, moreSteps: 27, process => LinformerProcess.Signal(process.Children()[0], "KILL"), exitCode: 1);
        await StopAsync(file, moreSteps: 32, process => process.Signal("KILL"), exitCode: 137);
        await LinformerProcess.SucceedAsync(_workspace.Train(file, "--resume"));

        _workspace.WeightsHash("broken").ShouldBe(_workspace.WeightsHash("whole"));
        _workspace.Losses("broken").ShouldBe(_workspace.Losses("whole"));
    }

    private async Task StopAsync(string file, int moreSteps, Action<LinformerProcess> stop, int exitCode)
    {
        var from = _workspace.NewestCheckpoint("broken"); // the metrics of a run start with the steps up to there
        using var process = LinformerProcess.Start(_workspace.Train(file, from > 0 ? ["--resume"] : []));
        await _workspace.WaitForStepAsync("broken", from + moreSteps);
        var ranks = process.Children();
        ranks.Count.ShouldBe(2);
        stop(process);
        var result = await process.WaitAsync();
        result.ExitCode.ShouldBe(exitCode, result.Error);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (ranks.Any(LinformerProcess.IsAlive))
        {
            await Task.Delay(20, limit.Token); // no orphans
        }
    }
}
