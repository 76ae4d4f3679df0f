using Linformer.Cli.Tests.Cluster;
using Microsoft.Data.Sqlite;

namespace Linformer.Cli.Tests;

/// <summary>Backing up and restoring an SQLite database as the docs say, with a coordinator that runs.</summary>
public sealed class BackUpTests : ClusterTest
{
    private string Data => Path.Combine(Folder, "data");

    private string Database => Path.Combine(Data, "coordinator", "linformer.db");

    [Fact]
    public async Task What_was_backed_up_while_it_ran_is_there_after_a_restore()
    {
        Directory.CreateDirectory(Path.Combine(Data, "corpora"));
        await File.WriteAllTextAsync(Path.Combine(Data, "corpora", "a.txt"), "some text");
        var job = WriteJobFile("name: kept\ncorpus: { files: [\"corpora/*.txt\"] }\n");
        var copy = Path.Combine(Folder, "back-up.db");
        await WithCoordinator(async address =>
        {
            (await At(address, "submit", job)).ShouldBe(0, Error.ToString());
            await using (var connection = new SqliteConnection($"Data Source={Database};Pooling=False"))
            {
                await connection.OpenAsync();
                await using var vacuum = connection.CreateCommand();
                vacuum.CommandText = $"VACUUM INTO '{copy}'";
                await vacuum.ExecuteNonQueryAsync();
            }

            (await At(address, "submit", WriteJobFile("name: lost\ncorpus: { files: [\"corpora/*.txt\"] }\n"))).ShouldBe(0, Error.ToString());
        });

        foreach (var file in Directory.GetFiles(Path.GetDirectoryName(Database)!, "linformer.db*"))
            File.Delete(file);
        File.Copy(copy, Database);

        await WithCoordinator(async address =>
        {
            Output.Clear();
            (await At(address, "jobs")).ShouldBe(0, Error.ToString());
            Output.ToString().ShouldContain("kept-");
            Output.ToString().ShouldNotContain("lost-");
        });
    }

    private async Task WithCoordinator(Func<string, Task> act)
    {
        Output.Clear();
        using var stop = new CancellationTokenSource();
        var running = CommandLineApp.RunAsync(
            CommandLineApp.CreateRoot(), ["coordinator", "--data", Data, "--http", "none", "--listen", "127.0.0.1:0", "--output", "json"], Output, Error, stop.Token);
        await Written(Output, "addresses");
        var address = Json().GetProperty("addresses")[0].GetString()!;
        await act(address);
        await stop.CancelAsync();
        (await running).ShouldBe(0, Error.ToString());
    }

    private Task<int> At(string address, params string[] arguments) => CommandLineApp.RunAsync(
        CommandLineApp.CreateRoot(), [.. arguments, "--coordinator", address], Output, Error, CancellationToken.None);
}
