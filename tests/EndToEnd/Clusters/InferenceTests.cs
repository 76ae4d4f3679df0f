using System.Globalization;
using System.Text;
using System.Text.Json;

namespace EndToEnd.Clusters;

/// <summary>A model applied to a corpus while ranks and the coordinator are killed: every document once, and the same bytes.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class InferenceTests : IDisposable
{
    private const int Documents = 8_010;
    private const int PartDocuments = 50;
    private const int Parts = 161;

    private readonly Workspace _workspace = new();

    public void Dispose() => _workspace.Dispose();

    [Fact]
    public async Task Kills_of_a_rank_and_of_the_coordinator_lose_no_document_and_change_no_byte()
    {
        await LinformerProcess.SucceedAsync(_workspace.Train(_workspace.Job("model", steps: 5)));
        WriteDocuments();
        await LinformerProcess.SucceedAsync(_workspace.Train(Job("whole"), "--ranks", "1"));
        await using var cluster = new Cluster(_workspace);
        await cluster.StartCoordinatorAsync();
        cluster.StartWorker("w1");
        cluster.StartWorker("w2");
        await cluster.WaitForWorkersAsync(2);

        var job = await cluster.SubmitAsync(Job("embed"));
        await cluster.WaitForStepAsync(job, 3);
        LinformerProcess.Signal(cluster.Worker("w1").Children().ShouldHaveSingleItem(), "KILL");
        await cluster.WaitForStepAsync(job, 8);
        cluster.Coordinator.Signal("KILL");
        await cluster.Coordinator.WaitAsync();
        await cluster.StartCoordinatorAsync();
        await cluster.WaitForStateAsync(job, "succeeded");

        string.Join('\n', await cluster.HistoryAsync(job)).ShouldContain("SIGKILL");
        var (undisturbed, disturbed) = (Results("results/whole"), Results("results/embed"));
        disturbed.Keys.ShouldBe(undisturbed.Keys, ignoreOrder: true);
        disturbed.Keys.Count(name => name.EndsWith(".safetensors", StringComparison.Ordinal)).ShouldBe(Parts);
        foreach (var (name, content) in undisturbed)
        {
            disturbed[name].ShouldBe(content, name);
        }

        using var manifest = JsonDocument.Parse(undisturbed["manifest.json"]);
        manifest.RootElement.GetProperty("documents").GetInt32().ShouldBe(Documents);
        var next = 0;
        foreach (var part in manifest.RootElement.GetProperty("parts").EnumerateArray())
        {
            part.GetProperty("firstDocument").GetInt32().ShouldBe(next);
            next += part.GetProperty("documents").GetInt32();
        }

        next.ShouldBe(Documents);
        (await cluster.RunAsync("show", job)).Output.ShouldContain("documents/s");
    }

    private Dictionary<string, byte[]> Results(string folder) => Directory.GetFiles(Path.Combine(_workspace.Root, folder))
        .ToDictionary(path => Path.GetFileName(path), File.ReadAllBytes, StringComparer.Ordinal);

    private void WriteDocuments()
    {
        var text = new StringBuilder();
        for (var i = 0; i < Documents; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{string.Join(' ', Enumerable.Range(0, 1 + (i % 60)).Select(word => word % 3 == 0 ? "whale" : $"sea {(i * 7) + word}"))}\n\n");
        }

        Directory.CreateDirectory(Path.Combine(_workspace.Root, "posts"));
        File.WriteAllText(Path.Combine(_workspace.Root, "posts", "posts.txt"), text.ToString());
    }

    private string Job(string name)
    {
        var path = Path.Combine(_workspace.Root, name + ".yaml");
        File.WriteAllText(path, $$"""
            name: {{name}}
            task: inference
            corpus: { files: ["posts/*.txt"], separator: "" }
            inference: { model: models/model, output: results/{{name}}, shardDocuments: {{PartDocuments}}, batch: 8 }
            training: { precision: fp32, checkpointEvery: 10 }
            ranks: { min: 1, max: 2 }
            """);
        return path;
    }
}
