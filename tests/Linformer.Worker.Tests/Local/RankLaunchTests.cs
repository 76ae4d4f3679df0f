using System.Diagnostics;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Tests.Local;

/// <summary>What a rank's process is started with.</summary>
[Trait("Lane", "Processes")]
public sealed class RankLaunchTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("linformer-test-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("LINFORMER_DATABASE")]
    [InlineData("LINFORMER_JOIN_TOKEN")]
    [InlineData("LINFORMER_TOKEN")]
    [InlineData("PGPASSWORD")]
    public async Task SecretsOfItsParentAreNotInARanksEnvironment(string variable)
    {
        const string Secret = "not-for-ranks";
        Environment.SetEnvironmentVariable(variable, Secret);
        try
        {
            var environment = await EnvironmentOfRankAsync();

            environment.ShouldContain(line => line.StartsWith("PATH=", StringComparison.Ordinal));
            environment.ShouldContain("OMP_NUM_THREADS=2");
            environment.ShouldNotContain(line => line.Contains(Secret));
        }
        finally
        {
            Environment.SetEnvironmentVariable(variable, null);
        }
    }

    private async Task<string[]> EnvironmentOfRankAsync()
    {
        var start = new StartMessage(1, 2, "{}", _folder.FullName, _folder.FullName, _folder.FullName, _folder.FullName);
        var launch = new RankLaunch("env", [], Path.Combine(_folder.FullName, "rank.log"), start);
        using var process = Process.Start(launch.StartInfo())!;
        process.StandardInput.Close();
        var lines = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return lines.Split('\n');
    }
}
