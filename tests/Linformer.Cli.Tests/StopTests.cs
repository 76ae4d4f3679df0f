using Linformer.Cli.Tests.Cluster;

namespace Linformer.Cli.Tests;

/// <summary>Commands that run until they are stopped, stopped in the middle of their start.</summary>
public sealed class StopTests : ClusterTest
{
    private const int Step = 20;
    private const int Longest = 200;

    [Theory]
    [InlineData("up", "--workers", "1")]
    [InlineData("coordinator", "--health", "127.0.0.1:0")]
    [InlineData("worker", "--health", "127.0.0.1:0", "--name", "w1", "--warm-ranks", "0")]
    public async Task A_stop_at_any_moment_of_the_start_ends_it_well(string command, params string[] more)
    {
        string[] place = command == "worker"
            ? ["--data", Folder, "--coordinator", Coordinator.Address, "--join-token-file", JoinToken()]
            : ["--data", Path.Combine(Folder, "data"), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        // A worker that nobody has welcomed has nobody to say goodbye to.
        await Coordinator.KillAsync();
        for (var delay = 0; delay <= Longest; delay += Step)
        {
            using var stop = new CancellationTokenSource();
            if (delay == 0)
                await stop.CancelAsync();
            else
                stop.CancelAfter(delay);

            (await CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), [command, .. place, .. more], Output, Error, stop.Token)).ShouldBe(0, $"after {delay} ms: {Error}");
        }

        foreach (var sign in (string[])["error:", " ERR ", " FTL ", "   at ", "cancelled"])
            Error.ToString().Contains(sign, StringComparison.Ordinal).ShouldBeFalse(Error.ToString());
    }

    private string JoinToken()
    {
        var file = Path.Combine(Folder, "join-token");
        File.WriteAllText(file, "a-good-join-token\n");
        return file;
    }
}
