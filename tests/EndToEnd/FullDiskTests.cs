using System.Diagnostics;

namespace EndToEnd;

/// <summary>A storage root on a file system of a few megabytes.</summary>
[Trait("Lane", "Processes")]
public sealed class FullDiskTests
{
    [SkippableTheory]
    [InlineData("200k")] // room for the corpus, not for its shards
    [InlineData("600k")] // room for the shards, not for a model
    public async Task A_full_disk_is_a_clear_error(string size)
    {
        var folder = Directory.CreateTempSubdirectory("linformer-e2e-").FullName;
        Skip.IfNot(Mount("-t", "tmpfs", "-o", $"size={size}", "tmpfs", folder), "mounting a small file system takes root");
        try
        {
            using var workspace = new Workspace(Path.Combine(folder, "storage"));
            var result = await LinformerProcess.RunAsync(workspace.Train(workspace.Job("full", steps: 30)));

            result.ExitCode.ShouldBe(1);
            result.Error.ShouldContain("No space left on device");
            result.Error.ShouldNotContain("   at ");
            Directory.Exists(workspace.Model("full")).ShouldBeFalse();
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
