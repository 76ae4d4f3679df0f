using System.Diagnostics;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace EndToEnd.Clusters;

/// <summary>The template of a task of one's own, built as its author builds it, and trained by ranks that are killed.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class PluginTests : IDisposable
{
    private readonly Workspace _workspace = new();

    public void Dispose() => _workspace.Dispose();

    [Fact]
    public async Task A_task_of_ones_own_survives_the_loss_of_a_rank_with_the_same_result()
    {
        await BuildTemplateAsync();
        await LinformerProcess.SucceedAsync(_workspace.Train(Job("whole"), "--ranks", "2"));
        await using var cluster = new Cluster(_workspace);
        await cluster.StartCoordinatorAsync();
        cluster.StartWorker("w1", more: "--allow-plugins");
        cluster.StartWorker("w2", more: "--allow-plugins");
        await cluster.WaitForWorkersAsync(2);

        var job = await cluster.SubmitAsync(Job("strokes"));
        await cluster.WaitForStepAsync(job, 100);
        LinformerProcess.Signal(cluster.Worker("w1").Children().ShouldHaveSingleItem(), "KILL");
        await cluster.WaitForStateAsync(job, "succeeded");

        string.Join('\n', await cluster.HistoryAsync(job)).ShouldContain("SIGKILL");
        _workspace.WeightsHash(job).ShouldBe(_workspace.WeightsHash("whole"));
        File.ReadAllText(Path.Combine(_workspace.Model(job), "plugin.json")).ShouldContain("\"hidden\": 64");
        (await cluster.RunAsync("show", job)).Output.ShouldContain("Held-out    loss 0.");
    }

    [Fact]
    public async Task Workers_that_do_not_allow_it_are_not_given_one()
    {
        await using var cluster = new Cluster(_workspace);
        await cluster.StartCoordinatorAsync();
        cluster.StartWorker("w1");
        await cluster.WaitForWorkersAsync(1);

        var refused = await cluster.RunAsync("submit", Job("refused"));
        cluster.StartWorker("w2", more: "--allow-plugins");
        await cluster.WaitForWorkersAsync(2);
        var waiting = await cluster.SubmitAsync(Job("waiting"));
        await cluster.WaitForJobAsync(waiting, job => job.Job.Reason.Contains("allow plug-ins", StringComparison.Ordinal), "the job says what it waits for");

        refused.ExitCode.ShouldBe(1);
        refused.Error.ShouldContain("Task plugin runs code of whoever submits the job, and no connected worker allows that. Start workers with --allow-plugins for it.");
        await cluster.RunAsync("cancel", waiting);
    }

    [SkippableFact]
    public async Task An_assembly_that_is_missing_or_another_one_on_one_of_two_workers_fails_the_job_with_the_file_and_the_worker()
    {
        Skip.IfNot(CanMount(), "This needs the right to mount: root, or user namespaces.");
        await BuildTemplateAsync();
        var (empty, other) = (Path.Combine(_workspace.Root, "empty"), Path.Combine(_workspace.Root, "other"));
        Directory.CreateDirectory(empty);
        Directory.CreateDirectory(other);
        foreach (var file in Directory.GetFiles(Plugins))
        {
            File.Copy(file, Path.Combine(other, Path.GetFileName(file)));
        }

        File.AppendAllText(Path.Combine(other, "Strokes.dll"), "another build");
        foreach (var (name, folder, reasons) in new (string, string, string[])[]
        {
            ("missing", empty, ["on worker w2 ", "there is no file plugins/strokes/Strokes.dll below the storage root, which on this worker is ", "All workers must have the same file there"]),
            // Whichever of the two begins says what the job's file is.
            ("changed", other, ["on worker w", "The file plugins/strokes/Strokes.dll of this worker is another one (SHA-256 ", "All workers must have the same files"]),
        })
        {
            await using var cluster = new Cluster(_workspace);
            await cluster.StartCoordinatorAsync();
            cluster.StartWorker("w1", more: "--allow-plugins");
            using var second = LinformerProcess.StartOn(
                ["unshare", "--mount", "sh", "-c", "mount --bind \"$0\" \"$1\" && shift && exec \"$@\"", folder, Plugins],
                "worker", "--coordinator", cluster.Endpoint, "--data", _workspace.Root, "--name", "w2", "--slots", "1", "--address", "127.0.0.1",
                "--join-token-file", Path.Combine(_workspace.Root, "coordinator", "join-token"), "--allow-plugins");
            await cluster.WaitForWorkersAsync(2);

            var job = await cluster.SubmitAsync(Job(name));
            await cluster.WaitForStateAsync(job, "failed");

            var reason = (await cluster.ShowAsync(job)).GetProperty("job").GetProperty("reason").GetString()!;
            reasons.ShouldAllBe(part => reason.Contains(part, StringComparison.Ordinal), reason);
        }
    }

    [Fact]
    public async Task A_task_that_hangs_in_a_step_is_killed_and_the_job_fails_with_the_rank_and_the_time()
    {
        await BuildTemplateAsync("""
            if (first >= 9_600)
            {
                Thread.Sleep(Timeout.Infinite);
            }

            """);
        var alone = await LinformerProcess.RunAsync(_workspace.Train(Job("alone"), "--ranks", "1", "--stall-timeout", "2"));
        alone.ExitCode.ShouldBe(1);
        alone.Error.ShouldMatch(@"Rank 0 got no further for [\d.]+ s \(usual step [\d.]+ m?s\) and was killed by its launcher");

        await using var cluster = new Cluster(_workspace);
        await cluster.StartCoordinatorAsync();
        cluster.StartWorker("w1", more: ["--allow-plugins", "--stall-timeout", "3"]);
        cluster.StartWorker("w2", more: ["--allow-plugins", "--stall-timeout", "3"]);
        await cluster.WaitForWorkersAsync(2);
        var job = await cluster.SubmitAsync(Job("hangs"));
        await cluster.WaitForStateAsync(job, "failed");

        var details = await cluster.ShowAsync(job);
        details.GetProperty("job").GetProperty("reason").GetString()!.ShouldMatch(
            @"^\d failures in a row without a further step; the last: rank [01] on worker w[12] got no further for [\d.]+ s \(.*\) and was killed by its worker \(SIGKILL\)$");
        Cluster.Number(details.GetProperty("job").GetProperty("committedStep")).ShouldBe(150);
        string.Join('\n', await cluster.HistoryAsync(job)).ShouldMatch(@"got no further for [\d.]+ s \(usual step");
        var log = cluster.Worker("w1").Error + cluster.Worker("w2").Error;
        log.ShouldMatch($@"ERR \[worker w[12] {job} l\d+ g\d+ r[01] s150\] The member {job} m\d+ got no further for");
    }

    [Fact]
    public async Task A_task_that_counts_no_prediction_and_one_for_a_newer_release_are_refused_in_words_of_their_own()
    {
        await BuildTemplateAsync(predicted: "0");
        var nothing = await LinformerProcess.RunAsync(_workspace.Train(Job("nothing"), "--ranks", "2"));
        ChangeReference(Path.Combine(Plugins, "Strokes.dll"), "Linformer.Training", new Version(9, 1, 0, 0));
        var newer = await LinformerProcess.RunAsync(_workspace.Train(Job("newer"), "--ranks", "1"));

        (nothing.ExitCode, newer.ExitCode).ShouldBe((1, 1));
        nothing.Error.ShouldContain("Step 100: plugins/strokes/Strokes.dll: the task counts no prediction in the batch");
        nothing.Error.ShouldNotContain("masked");
        newer.Error.ShouldMatch(@"plugins/strokes/Strokes\.dll was built against Linformer\.Training 9\.1\.0\.0; this worker has [\d.]+\. Build it against the release that all workers run\.");
    }

    private string Plugins => Path.Combine(_workspace.Root, "plugins", "strokes");

    private string Job(string name)
    {
        var path = Path.Combine(_workspace.Root, name + ".yaml");
        File.WriteAllText(path, File.ReadAllText(Path.Combine(Template, "job.yaml"))
            .Replace("name: strokes", $"name: {name}", StringComparison.Ordinal)
            .Replace("steps: 300", "steps: 3000", StringComparison.Ordinal)
            .Replace("min: 1", "min: 2", StringComparison.Ordinal));
        return path;
    }

    private static bool CanMount()
    {
        using var trial = Process.Start(new ProcessStartInfo("unshare", ["--mount", "true"]) { UseShellExecute = false, RedirectStandardError = true })!;
        trial.WaitForExit();
        return trial.ExitCode == 0;
    }

    // Makes an assembly one that was built against another version of one that it needs.
    private static void ChangeReference(string path, string name, Version version)
    {
        var bytes = File.ReadAllBytes(path);
        using (var file = new PEReader(new MemoryStream(bytes)))
        {
            var metadata = file.GetMetadataReader();
            var reference = metadata.AssemblyReferences.Single(handle => metadata.GetString(metadata.GetAssemblyReference(handle).Name) == name);
            // A row begins with the four parts of the version, two bytes each.
            var row = metadata.GetTableMetadataOffset(TableIndex.AssemblyRef) + ((MetadataTokens.GetRowNumber(reference) - 1) * metadata.GetTableRowSize(TableIndex.AssemblyRef));
            var at = file.PEHeaders.MetadataStartOffset + row;
            foreach (var part in (int[])[version.Major, version.Minor, version.Build, version.Revision])
            {
                BitConverter.GetBytes((ushort)part).CopyTo(bytes, at);
                at += 2;
            }
        }

        File.WriteAllBytes(path, bytes);
    }

    // A copy, as whoever starts from it has one; with a fault, if need be: what its loss does first, and what it counts as predicted.
    private async Task BuildTemplateAsync(string before = "", string predicted = "count")
    {
        var source = Directory.CreateDirectory(Path.Combine(_workspace.Root, "source")).FullName;
        foreach (var file in Directory.GetFiles(Template))
        {
            File.Copy(file, Path.Combine(source, Path.GetFileName(file)));
        }

        var task = Path.Combine(source, "StrokeTask.cs");
        var (loss, counts) = ("        var random = CounterRandom.For(_context.Seed, part);", "Predicted: count");
        var code = await File.ReadAllTextAsync(task);
        code.ShouldContain(loss);
        code.ShouldContain(counts);
        await File.WriteAllTextAsync(task, code.Replace(loss, before + loss, StringComparison.Ordinal).Replace(counts, $"Predicted: {predicted}", StringComparison.Ordinal));

        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, UseShellExecute = false };
        foreach (var argument in (string[])
            ["build", source, "-c", "Release", "-nodeReuse:false", "-o", Plugins, $"-p:LinformerFolder={AppContext.BaseDirectory.TrimEnd('/')}"])
        {
            start.ArgumentList.Add(argument);
        }

        using var build = Process.Start(start)!;
        var output = await build.StandardOutput.ReadToEndAsync();
        await build.WaitForExitAsync();
        build.ExitCode.ShouldBe(0, output);
    }

    private static string Template
    {
        get
        {
            var folder = AppContext.BaseDirectory;
            while (!File.Exists(Path.Combine(folder, "Linformer.sln")))
            {
                folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The tests do not run inside the repository.");
            }

            return Path.Combine(folder, "examples", "plugin");
        }
    }
}
