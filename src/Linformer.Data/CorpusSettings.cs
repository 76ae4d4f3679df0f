using Linformer.Data.Corpora;
using Linformer.Data.Labelled;
using Linformer.Data.Shards;
using Linformer.Data.Tokenizers;

namespace Linformer.Data;

/// <summary>What a corpus is made of and how it is turned into tokens.</summary>
public sealed record CorpusSettings
{
    /// <summary>Paths and patterns relative to the storage root; see <see cref="CorpusFiles.Resolve"/>.</summary>
    public required IReadOnlyList<string> Files { get; init; }

    /// <summary>A tokenizer to use, as path of a <c>tokenizer.json</c> relative to the storage root; null to train one.</summary>
    public string? TokenizerFile { get; init; }

    /// <summary>The number of tokens of a tokenizer to train.</summary>
    public int VocabularySize { get; init; } = 8192;

    /// <summary>The line that ends a document in text files: empty for any blank line, null if each file is one document.</summary>
    public string? Separator { get; init; }

    /// <summary>Where labelled examples are in the files; null for text.</summary>
    public ExampleLayout? Examples { get; init; }

    /// <summary>Files of examples to measure on, never trained on; as <see cref="Files"/>. Null to hold out a share instead.</summary>
    public IReadOnlyList<string>? HeldOutFiles { get; init; }

    /// <summary>How much text a tokenizer is trained on, in bytes, spread over the corpus.</summary>
    public long TokenizerSampleBytes { get; init; } = 32L << 20;

    /// <summary>About how much text goes into a shard, in bytes.</summary>
    public long ShardBytes { get; init; } = 64L << 20;
}

/// <summary>What the preparation of a corpus is doing.</summary>
public enum PreparationPhase
{
    /// <summary>Reading all files for their hashes; counted in bytes.</summary>
    Fingerprint,

    /// <summary>Reading the sample for the tokenizer; counted in bytes.</summary>
    TokenizerSample,

    /// <summary>Learning the tokenizer's merges; counted in percent.</summary>
    TokenizerTraining,

    /// <summary>Encoding text into shards; counted in bytes of the corpus.</summary>
    Shards,

    /// <summary>Checking shards that were made before; counted in bytes of the shards.</summary>
    Verification,
}

/// <summary>How far the preparation of a corpus is.</summary>
/// <param name="Phase">What it is doing.</param>
/// <param name="Done">How much of it is done.</param>
/// <param name="Total">How much there is to do.</param>
public readonly record struct PreparationProgress(PreparationPhase Phase, long Done, long Total);

/// <summary>A corpus of which the plan is made.</summary>
/// <param name="Folder">The folder for the shards; the plan and the tokenizer are there.</param>
/// <param name="Plan">The plan.</param>
/// <param name="Tokenizer">The tokenizer.</param>
/// <param name="Existing">What the folder holds, when the corpus was prepared before and nothing is left to do.</param>
public sealed record PlannedCorpus(string Folder, CorpusPlan Plan, ITokenizer Tokenizer, CorpusManifest? Existing);

/// <summary>A corpus that is ready to be read.</summary>
/// <param name="Folder">The folder with shards, <c>manifest.json</c> and <c>tokenizer.json</c>, for <see cref="SequenceDataset.Open"/>.</param>
/// <param name="Manifest">What the folder holds.</param>
/// <param name="Tokenizer">The tokenizer.</param>
/// <param name="WasReused">Whether it had been prepared before.</param>
public sealed record PreparedCorpus(string Folder, CorpusManifest Manifest, ITokenizer Tokenizer, bool WasReused)
{
    /// <summary>The tokenizer's file in <see cref="Folder"/>.</summary>
    public string TokenizerPath => Path.Combine(Folder, CorpusPreparation.TokenizerFileName);
}
