using System.Diagnostics;

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

    private string Job(string name)
    {
        var path = Path.Combine(_workspace.Root, name + ".yaml");
        File.WriteAllText(path, File.ReadAllText(Path.Combine(Template, "job.yaml"))
            .Replace("name: strokes", $"name: {name}", StringComparison.Ordinal)
            .Replace("steps: 300", "steps: 3000", StringComparison.Ordinal)
            .Replace("min: 1", "min: 2", StringComparison.Ordinal));
        return path;
    }

    // A copy, as whoever starts from it has one.
    private async Task BuildTemplateAsync()
    {
        var source = Directory.CreateDirectory(Path.Combine(_workspace.Root, "source")).FullName;
        foreach (var file in Directory.GetFiles(Template))
        {
            File.Copy(file, Path.Combine(source, Path.GetFileName(file)));
        }

        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, UseShellExecute = false };
        foreach (var argument in (string[])
            ["build", source, "-c", "Release", "-nodeReuse:false", "-o", Path.Combine(_workspace.Root, "plugins", "strokes"), $"-p:LinformerFolder={AppContext.BaseDirectory.TrimEnd('/')}"])
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
