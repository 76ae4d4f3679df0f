using System.Diagnostics;

namespace EndToEnd;

/// <summary>A storage root on a file system of a few megabytes.</summary>
[Trait("Lane", "Processes")]
public sealed class FullDiskTests
{
    [SkippableTheory]
    [InlineData("200k")] // room for the corpus, not for its shards
    [InlineData("300k")] // room for the shards, not for a model
    public Task A_full_disk_is_a_clear_error(string size) => TrainAsync(size, (workspace, result) =>
    {
        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain("No space left on device");
        result.Error.ShouldNotContain("   at ");
        Directory.Exists(workspace.Model("full")).ShouldBeFalse();
    });

    [SkippableFact]
    public Task A_checkpoint_that_does_not_fit_is_a_warning() => TrainAsync("600k", (workspace, result) =>
    {
        result.ExitCode.ShouldBe(0, result.Error);
        result.Error.ShouldContain("warning: A checkpoint could not be written");
        result.Error.ShouldContain("No space left on device");
        Directory.Exists(workspace.Model("full")).ShouldBeTrue();
    });

    [SkippableFact]
    public Task A_disk_that_fills_up_does_not_end_the_training() => OnSmallDiskAsync("2m", async workspace =>
    {
        using var process = LinformerProcess.Start(workspace.Train(workspace.Job("filled", steps: 1000)));
        await workspace.WaitForStepAsync("filled", 5);
        Should.Throw<IOException>(() => File.WriteAllBytes(Path.Combine(workspace.Root, "filler"), new byte[4 << 20]));

        var result = await process.WaitAsync();

        // It went on to the last step, after which the model finds no room.
        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain("Metrics cannot be written");
        result.Error.ShouldContain("the model cannot be written");
    });

    private static Task TrainAsync(string size, Action<Workspace, CommandResult> check) => OnSmallDiskAsync(size, async workspace =>
        check(workspace, await LinformerProcess.RunAsync(workspace.Train(workspace.Job("full", steps: 30)))));

    private static async Task OnSmallDiskAsync(string size, Func<Workspace, Task> test)
    {
        var folder = Directory.CreateTempSubdirectory("linformer-e2e-").FullName;
        Skip.IfNot(Mount("-t", "tmpfs", "-o", $"size={size}", "tmpfs", folder), "mounting a small file system takes root");
        try
        {
            using var workspace = new Workspace(Path.Combine(folder, "storage"));
            await test(workspace);
        }
        finally
        {
            Process.Start("umount", [folder]).WaitForExit();
            Directory.Delete(folder);
        }
    }

    private static bool Mount(params string[] arguments)
    {
        using var mount = Process.Start(new ProcessStartInfo("mount", arguments) { UseShellExecute = false, RedirectStandardError = true })!;
        mount.WaitForExit();
        return mount.ExitCode == 0;
    }
}
