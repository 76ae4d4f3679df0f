using System.Globalization;
using System.Text;

namespace Linformer.Bench.Pretraining;

/// <summary>What a job of the benchmark is set to beside its shape.</summary>
/// <param name="Steps">Steps.</param>
/// <param name="Ranks">Ranks, of one thread each.</param>
/// <param name="Precision">fp32 or bf16.</param>
public sealed record PretrainingJob(long Steps, int Ranks, string Precision)
{
    /// <summary>The format of gradients on the wire: fp32 or bf16.</summary>
    public string Wire { get; init; } = "fp32";

    /// <summary>Steps between checkpoints; null for none before the end.</summary>
    public long? CheckpointEvery { get; init; }
}

/// <summary>A temporary storage root with a made-up corpus.</summary>
public sealed class PretrainingStorage : IDisposable
{
    private const int Files = 8;
    private const int DistinctWords = 60_000;
    private const string Consonants = "bcdfghklmnprstvw";
    private const string Vowels = "aeiou";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("linformer-pretraining-");

    /// <summary>Makes it.</summary>
    /// <param name="words">Words of the text.</param>
    public PretrainingStorage(int words = 1_200_000)
    {
        var corpora = Directory.CreateDirectory(Path.Combine(Root, "corpora"));
        var vocabulary = MakeWords();
        for (var file = 0; file < Files; file++)
        {
            File.WriteAllText(Path.Combine(corpora.FullName, $"{file}.txt"), Text(vocabulary, words / Files, seed: file));
        }
    }

    /// <summary>The storage root.</summary>
    public string Root => _folder.FullName;

    /// <summary>The job file of a job.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="shape">What it trains.</param>
    /// <param name="job">Its other settings.</param>
    public static string JobFile(string name, PretrainingShape shape, PretrainingJob job)
    {
        var wire = job.Wire == "fp32" ? "" : $"\n  wire: {job.Wire}";
        return string.Create(CultureInfo.InvariantCulture, $$"""
            name: {{name}}
            corpus:
              files: ["corpora/*.txt"]
              tokenizer: { kind: byte-bpe, vocabularySize: {{shape.Vocabulary}} }
              heldOut: 0.005
            model:
              layers: {{shape.Layers}}
              heads: {{shape.Heads}}
              hidden: {{shape.Hidden}}
              feedForward: {{shape.FeedForward}}
              sequenceLength: {{shape.Length}}
              projectedLength: {{shape.Projected}}
              attention: {{(shape.FullAttention ? "full" : "linear")}}
              dropout: {{shape.Dropout}}
            training:
              steps: {{job.Steps}}
              globalBatch: {{shape.Batch * job.Ranks}}
              microBatch: {{shape.Batch}}
              learningRate: 1.0e-4
              warmupSteps: 0
              schedule: constant
              precision: {{job.Precision}}
              evaluateEvery: 1000000000
              checkpointEvery: {{job.CheckpointEvery ?? 1_000_000_000}}{{wire}}
            ranks: { min: {{job.Ranks}}, max: {{job.Ranks}}, threads: 1 }
            device: cpu
            """);
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Delete(recursive: true);

    // Syllables, so that there is something for a tokenizer to find.
    private static string[] MakeWords()
    {
        var random = new Random(1);
        var words = new HashSet<string>();
        while (words.Count < DistinctWords)
        {
            var word = new StringBuilder();
            for (var syllable = random.Next(1, 5); syllable > 0; syllable--)
            {
                word.Append(Consonants[random.Next(Consonants.Length)]).Append(Vowels[random.Next(Vowels.Length)]);
                if (random.Next(3) == 0)
                {
                    word.Append(Consonants[random.Next(Consonants.Length)]);
                }
            }

            words.Add(word.ToString());
        }

        return [.. words];
    }

    // The n-th word is about as frequent as 1/n, as in a language.
    private static string Text(string[] vocabulary, int words, int seed)
    {
        var random = new Random(seed);
        var text = new StringBuilder();
        for (var i = 0; i < words; i++)
        {
            var rank = (int)Math.Pow(vocabulary.Length, random.NextDouble()) - 1;
            text.Append(vocabulary[rank]).Append(i % 12 == 11 ? ".\n" : " ");
        }

        return text.ToString();
    }
}
