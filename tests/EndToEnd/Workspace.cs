using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Linformer.Chaos;

namespace EndToEnd;

/// <summary>A storage root of one test with a small corpus, deleted after it.</summary>
internal sealed class Workspace : IDisposable
{
    private const string Words =
        "whale ship sea captain harpoon boat crew mast wind wave night day deep old man white water line oil deck rope sail hand eye voice";

    public Workspace(string? folder = null)
    {
        Root = folder ?? Directory.CreateTempSubdirectory("linformer-e2e-").FullName;
        Directory.CreateDirectory(Path.Combine(Root, "corpora"));
        for (var i = 0; i < 30; i++)
        {
            File.WriteAllText(Corpus($"{i:00}.txt"), Text(i, words: 700));
        }
    }

    public string Root { get; }

    public string Corpus(string name) => Path.Combine(Root, "corpora", name);

    public string Checkpoints(string job) => Path.Combine(Root, "jobs", job, "checkpoints");

    public string Model(string job) => Path.Combine(Root, "models", job);

    /// <summary>Writes a job file of a model that trains in seconds.</summary>
    public string Job(string name, int steps = 50, string corpus = "corpora/*.txt", string more = "", string ranks = "{ max: 2 }")
    {
        var path = Path.Combine(Root, name + ".yaml");
        File.WriteAllText(path, new SmallJob(name, steps) { Corpus = corpus, Ranks = ranks, More = more }.ToYaml());
        return path;
    }

    public string[] Train(string jobFile, params string[] more) => ["train", jobFile, "--data", Root, .. more];

    public double[] Losses(string job) =>
    [
        .. File.ReadLines(Path.Combine(Root, "jobs", job, "metrics.jsonl"))
            .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("loss").GetDouble()),
    ];

    public string WeightsHash(string job) => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(Path.Combine(Model(job), "model.safetensors"))));

    /// <summary>The step of the newest checkpoint; 0 when there is none.</summary>
    public int NewestCheckpoint(string job) => Directory.Exists(Checkpoints(job))
        ? Directory.GetDirectories(Checkpoints(job), "l*-s*").Select(path => int.Parse(path[^8..], CultureInfo.InvariantCulture)).DefaultIfEmpty().Max()
        : 0;

    /// <summary>Waits until a job has taken a step.</summary>
    public async Task WaitForStepAsync(string job, int step)
    {
        var metrics = Path.Combine(Root, "jobs", job, "metrics.jsonl");
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(6));
        while (!File.Exists(metrics) || File.ReadLines(metrics).Count() < step)
        {
            await Task.Delay(10, limit.Token);
        }
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);

    // Words follow one another by a rule with noise, so that there is something to learn.
    private static string Text(int seed, int words)
    {
        var vocabulary = Words.Split(' ');
        var random = new Random(seed);
        var text = new StringBuilder();
        var word = random.Next(vocabulary.Length);
        for (var i = 0; i < words; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{vocabulary[word]}{(i % 11 == 10 ? ".\n" : " ")}");
            word = random.Next(4) == 0 ? random.Next(vocabulary.Length) : ((word * 7) + 3) % vocabulary.Length;
        }

        return text.ToString();
    }
}
