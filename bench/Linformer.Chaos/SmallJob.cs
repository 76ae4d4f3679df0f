namespace Linformer.Chaos;

/// <summary>The job file of a model that trains in seconds on a few kilobytes of text.</summary>
/// <param name="Name">The job's name.</param>
/// <param name="Steps">Steps.</param>
public sealed record SmallJob(string Name, long Steps)
{
    /// <summary>The corpus: a glob below the storage root.</summary>
    public string Corpus { get; init; } = "corpora/*.txt";

    /// <summary>Sequences of a step.</summary>
    public int GlobalBatch { get; init; } = 24;

    /// <summary>Sequences of a forward pass.</summary>
    public int MicroBatch { get; init; } = 4;

    /// <summary>Steps until the learning rate is full.</summary>
    public int WarmupSteps { get; init; } = 5;

    /// <summary>Steps between evaluations.</summary>
    public int EvaluateEvery { get; init; } = 25;

    /// <summary>Steps between checkpoints.</summary>
    public int CheckpointEvery { get; init; } = 10;

    /// <summary>What stands behind <c>ranks:</c>.</summary>
    public string Ranks { get; init; } = "{ max: 2 }";

    /// <summary>Further lines of the file's highest level.</summary>
    public string More { get; init; } = "";

    /// <summary>The file.</summary>
    public string ToYaml() => $$"""
        name: {{Name}}
        corpus:
          files: ["{{Corpus}}"]
          tokenizer: { kind: byte-bpe, vocabularySize: 400 }
          heldOut: 0.1
        model: { layers: 2, heads: 2, hidden: 32, feedForward: 64, sequenceLength: 32, projectedLength: 8, dropout: 0.1 }
        training:
          steps: {{Steps}}
          globalBatch: {{GlobalBatch}}
          microBatch: {{MicroBatch}}
          learningRate: 1.0e-3
          warmupSteps: {{WarmupSteps}}
          evaluateEvery: {{EvaluateEvery}}
          checkpointEvery: {{CheckpointEvery}}
        ranks: {{Ranks}}
        {{More}}
        """;
}
