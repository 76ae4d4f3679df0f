namespace EndToEnd;

[Trait("Lane", "Processes")]
public sealed class FailureTests : IDisposable
{
    private readonly Workspace _workspace = new();

    public void Dispose() => _workspace.Dispose();

    [Fact]
    public async Task A_killed_rank_is_named_with_its_signal_and_log()
    {
        using var process = LinformerProcess.Start(_workspace.Train(_workspace.Job("killed", steps: 1_000_000)));
        await _workspace.WaitForStepAsync("killed", 5);
        LinformerProcess.Signal(process.Children()[0], "KILL");

        var result = await process.WaitAsync();

        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain("SIGKILL");
        result.Error.ShouldContain(".log");
    }

    [Theory]
    [InlineData("training:", "training:\n  lerningRate: 1", "lerningRate")]
    [InlineData("steps: 50", "steps: many", "many")]
    [InlineData("heads: 2", "heads: 5", "heads")]
    [InlineData("projectedLength: 8", "projectedLength: 33", "33")]
    [InlineData("learningRate: 1.0e-3", "learningRate: -1", "-1")]
    [InlineData("warmupSteps: 5", "precision: fp16", "fp16")]
    [InlineData("corpora/*.txt", "corpora/none*.txt", "corpora/none*.txt")]
    [InlineData("corpora/*.txt", "../*.txt", "..")]
    [InlineData("corpora/*.txt", "/etc/passwd", "/etc/passwd")]
    public async Task A_bad_job_file_is_answered_with_what_is_wrong(string text, string replacement, string expected)
    {
        var file = _workspace.Job("bad");
        File.WriteAllText(file, File.ReadAllText(file).Replace(text, replacement, StringComparison.Ordinal));

        var result = await LinformerProcess.RunAsync(_workspace.Train(file));

        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain(expected);
        result.Error.ShouldNotContain("   at "); // no stack trace
        Directory.Exists(Path.Combine(_workspace.Root, "jobs", "bad", "checkpoints")).ShouldBeFalse();
    }

    [Theory]
    [InlineData("garbage.txt", new byte[] { 0, 1, 2, 0, 255, 0, 3 })]
    [InlineData("invalid.txt", new byte[] { 104, 101, 0xC3, 0x28, 108 })]
    [InlineData("empty.txt", new byte[0])]
    [InlineData("cut.txt.gz", new byte[] { 31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 75 })]
    [InlineData("lines.jsonl", new byte[] { (byte)'{', (byte)'"', 10 })]
    public async Task A_bad_corpus_file_is_named(string name, byte[] content)
    {
        Directory.CreateDirectory(Path.Combine(_workspace.Root, "bad"));
        File.WriteAllBytes(Path.Combine(_workspace.Root, "bad", name), content);

        var result = await LinformerProcess.RunAsync(_workspace.Train(_workspace.Job("bad-corpus", corpus: "bad/*")));

        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain(name == "empty.txt" ? "bad/*" : name);
        result.Error.ShouldNotContain("   at ");
    }

    [Fact]
    public async Task A_damaged_shard_is_found_before_training_goes_on()
    {
        var file = _workspace.Job("sharded", steps: 20);
        await LinformerProcess.SucceedAsync(_workspace.Train(file));
        var shard = Directory.GetFiles(_workspace.Root, "shard-*.tokens", SearchOption.AllDirectories).Single();
        var bytes = await File.ReadAllBytesAsync(shard);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(shard, bytes);
        var altered = await LinformerProcess.RunAsync(_workspace.Train(file, "--resume"));
        await File.WriteAllBytesAsync(shard, bytes.AsMemory(0, bytes.Length - 7));
        var truncated = await LinformerProcess.RunAsync(_workspace.Train(file, "--resume"));

        altered.ExitCode.ShouldBe(1);
        altered.Error.ShouldContain("shard-00000.tokens");
        truncated.ExitCode.ShouldBe(1);
        truncated.Error.ShouldContain("shard-00000.tokens");
    }

    [Fact]
    public async Task A_damaged_checkpoint_is_skipped_with_a_warning_and_nothing_is_lost()
    {
        var file = _workspace.Job("damaged", steps: 40);
        await LinformerProcess.SucceedAsync(_workspace.Train(file));
        var expected = _workspace.WeightsHash("damaged");
        var checkpoints = Directory.GetDirectories(_workspace.Checkpoints("damaged")).Order(StringComparer.Ordinal).ToArray();
        checkpoints.Length.ShouldBe(3);
        Alter(Path.Combine(checkpoints[^1], "model.safetensors"));
        Truncate(Path.Combine(checkpoints[^2], "optimizer.safetensors"));

        var resumed = await LinformerProcess.RunAsync(_workspace.Train(file, "--resume"));

        resumed.ExitCode.ShouldBe(0, resumed.Error);
        resumed.Error.ShouldContain("model.safetensors");
        resumed.Error.ShouldContain("optimizer.safetensors");
        resumed.Error.ShouldContain("step 20");
        _workspace.WeightsHash("damaged").ShouldBe(expected);
    }

    [Fact]
    public async Task When_no_checkpoint_is_whole_the_job_does_not_start_anew_by_itself()
    {
        var file = _workspace.Job("all-damaged", steps: 10);
        await LinformerProcess.SucceedAsync(_workspace.Train(file));
        foreach (var folder in Directory.GetDirectories(_workspace.Checkpoints("all-damaged")))
        {
            Alter(Path.Combine(folder, "model.safetensors"));
        }

        var result = await LinformerProcess.RunAsync(_workspace.Train(file, "--resume"));

        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain("is whole");
    }

    [Fact]
    public async Task A_job_with_checkpoints_is_not_overwritten_and_not_resumed_with_other_settings()
    {
        var file = _workspace.Job("kept", steps: 10);
        await LinformerProcess.SucceedAsync(_workspace.Train(file));

        var again = await LinformerProcess.RunAsync(_workspace.Train(file));
        File.WriteAllText(file, File.ReadAllText(file).Replace("hidden: 32", "hidden: 64", StringComparison.Ordinal));
        var changed = await LinformerProcess.RunAsync(_workspace.Train(file, "--resume"));

        again.ExitCode.ShouldBe(1);
        again.Error.ShouldContain("--resume");
        changed.ExitCode.ShouldBe(1);
        changed.Error.ShouldContain("model.hidden was 32 and is 64");
    }

    [Fact]
    public async Task A_job_that_is_being_trained_is_not_trained_a_second_time()
    {
        var file = _workspace.Job("busy", steps: 1_000_000);
        using var first = LinformerProcess.Start(_workspace.Train(file));
        await _workspace.WaitForStepAsync("busy", 1);

        var second = await LinformerProcess.RunAsync(_workspace.Train(file, "--resume"));
        first.Signal("INT");
        var stopped = await first.WaitAsync();

        stopped.ExitCode.ShouldBe(130, stopped.Error);
        second.ExitCode.ShouldBe(1);
        second.Error.ShouldContain("is being trained by another process");
    }

    [Fact]
    public async Task SIGTERM_for_all_processes_is_a_graceful_stop()
    {
        using var process = LinformerProcess.Start(_workspace.Train(_workspace.Job("service", steps: 1_000_000)));
        await _workspace.WaitForStepAsync("service", 1);
        // The ranks first: the launcher must not need to be faster than they are.
        foreach (var rank in process.Children())
        {
            LinformerProcess.Signal(rank, "TERM");
        }

        process.Signal("TERM");
        var result = await process.WaitAsync();

        result.ExitCode.ShouldBe(128 + 15, result.Error);
        Directory.GetDirectories(_workspace.Checkpoints("service")).ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Held_out_text_without_a_masked_token_is_refused()
    {
        File.WriteAllText(_workspace.Corpus("few.text.txt"), "A few words.\n");

        var result = await LinformerProcess.RunAsync(_workspace.Train(_workspace.Job("few", corpus: "corpora/few.text.txt")));

        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain("None of the 1 held-out tokens is masked");
    }

    [Fact]
    public async Task Without_its_run_record_a_job_is_held_to_what_its_checkpoint_says()
    {
        var file = _workspace.Job("no-record", steps: 10);
        await LinformerProcess.SucceedAsync(_workspace.Train(file));
        File.Delete(Path.Combine(_workspace.Root, "jobs", "no-record", "run.json"));
        var text = await File.ReadAllTextAsync(file);
        await File.WriteAllTextAsync(file, text.Replace("hidden: 32", "hidden: 64", StringComparison.Ordinal));
        var changed = await LinformerProcess.RunAsync(_workspace.Train(file, "--resume"));
        await File.WriteAllTextAsync(file, text.Replace("steps: 10", "steps: 20", StringComparison.Ordinal));
        var longer = await LinformerProcess.RunAsync(_workspace.Train(file, "--resume"));

        changed.ExitCode.ShouldBe(1);
        changed.Error.ShouldContain("model.hidden was 32 and is 64");
        longer.ExitCode.ShouldBe(0, longer.Error);
        Directory.GetDirectories(_workspace.Checkpoints("no-record")).ShouldContain(path => path.EndsWith("l0000-g0002-s00000020", StringComparison.Ordinal));
    }

    [Fact]
    public async Task More_ranks_than_micro_batches_are_refused()
    {
        var result = await LinformerProcess.RunAsync(_workspace.Train(_workspace.Job("many"), "--ranks", "7"));

        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain("1 to 6 ranks");
    }

    private static void Alter(string path)
    {
        var bytes = File.ReadAllBytes(path);
        bytes[^9] ^= 64;
        File.WriteAllBytes(path, bytes);
    }

    private static void Truncate(string path)
    {
        using var file = new FileStream(path, FileMode.Open);
        file.SetLength(file.Length - 100);
    }
}
