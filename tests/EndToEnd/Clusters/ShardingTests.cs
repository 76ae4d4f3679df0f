using System.Security.Cryptography;
using System.Text;

namespace EndToEnd.Clusters;

/// <summary>A corpus is the same to the byte whoever makes it.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class ShardingTests
{
    private const int ShardBytes = 64 << 20;
    private const int Shards = 3;

    [Fact]
    public async Task Shards_and_manifest_are_the_same_for_one_worker_and_for_three_of_which_one_is_killed()
    {
        using var source = new Workspace();
        WriteText(source.Corpus("large.txt"));

        var one = await PrepareAsync(source, workers: 1, kill: false);
        var three = await PrepareAsync(source, workers: 3, kill: true);

        one.Keys.Count(name => name.StartsWith("shard-", StringComparison.Ordinal)).ShouldBeGreaterThanOrEqualTo(Shards);
        one.Keys.ShouldContain("manifest.json");
        three.ShouldBe(one);
    }

    // The hash of each file of the prepared corpus, by name.
    private static async Task<IReadOnlyDictionary<string, string>> PrepareAsync(Workspace source, int workers, bool kill)
    {
        using var workspace = new Workspace();
        LinkFile(source.Corpus("large.txt"), workspace.Corpus("large.txt"));
        await using var cluster = new Cluster(workspace);
        await cluster.StartCoordinatorAsync();
        for (var worker = 1; worker <= workers; worker++)
        {
            cluster.StartWorker($"w{worker}");
        }

        await cluster.WaitForWorkersAsync(workers);
        var job = await cluster.SubmitAsync(workspace.Job("sharded", steps: 5, ranks: "{ max: 1 }"));
        if (kill)
        {
            // Seen in the folder, and not by a command, before which it may be over.
            var corpora = Path.Combine(workspace.Root, "cache", "corpora");
            await Cluster.UntilAsync(
                () => Task.FromResult(Directory.Exists(corpora) && Directory.EnumerateFiles(corpora, "shard-*.tmp-*", SearchOption.AllDirectories).Any()),
                "a shard is being written",
                milliseconds: 2);
            cluster.Worker("w2").Signal("KILL");
        }

        await cluster.WaitForStateAsync(job, "succeeded");
        var folder = Directory.GetDirectories(Path.Combine(workspace.Root, "cache", "corpora")).Single();
        // What a killed worker was writing stays under a temporary name, until a later preparation removes it.
        return Directory.GetFiles(folder).Where(path => !Path.GetFileName(path).Contains(".tmp-", StringComparison.Ordinal)).ToDictionary(
            path => Path.GetFileName(path), path => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(path))), StringComparer.Ordinal);
    }

    // One copy of the text serves all: the storage root must hold the file itself, not a symbolic link to the outside.
    private static void LinkFile(string from, string to)
    {
        using var ln = System.Diagnostics.Process.Start("ln", [from, to]);
        ln.WaitForExit();
        ln.ExitCode.ShouldBe(0);
    }

    private static void WriteText(string path)
    {
        string[] words = ["whale", "ship", "captain", "harpoon", "boat", "mast", "storm", "ocean", "night", "lantern", "rope", "deck"];
        var random = new Random(7);
        using var file = new StreamWriter(path, append: false, new UTF8Encoding(false), bufferSize: 1 << 20);
        for (var written = 0L; written < ((Shards - 1) * (long)ShardBytes) + (ShardBytes / 2);)
        {
            var line = $"{words[random.Next(words.Length)]} {words[random.Next(words.Length)]} {random.Next(10_000)} {words[random.Next(words.Length)]}.";
            file.WriteLine(line);
            written += line.Length + 1;
        }
    }
}
