namespace Linformer.Protocol;

// As in JobFile.cs, the summaries are also the text of docs/job-file.md.

/// <summary>Section `inference`: a finished model, applied to every document of the corpus.</summary>
public sealed record InferenceSection
{
    /// <summary>Folder of the finished model, relative to the storage root; its tokenizer is used.</summary>
    [Field(Format = TextFormat.RelativePath)]
    public required string Model { get; init; }

    /// <summary>What is wanted of each document: a vector of the encoder's (`embed`), or what a classification model says of it (`classify`).</summary>
    [Field]
    public InferenceKind Kind { get; init; } = InferenceKind.Embed;

    /// <summary>Folder for the results, relative to the storage root. One that holds a part of them from an earlier job of the same settings is completed.</summary>
    [Field(Default = "the job's model folder", Format = TextFormat.RelativePath)]
    public string? Output { get; init; }

    /// <summary>What a vector is made of: the mean over all tokens, or the first token.</summary>
    [Field]
    public PoolingKind Pooling { get; init; } = PoolingKind.Mean;

    /// <summary>What to do with a document that is longer than the model reads: an error, read its beginning, or read windows and average over them.</summary>
    [Field]
    public LongDocumentAction LongDocuments { get; init; } = LongDocumentAction.Windows;

    /// <summary>Tokens from the beginning of a window to that of the next.</summary>
    [Field(Default = "a whole window", Min = 1, Max = 1_048_576, Unit = "tokens")]
    public int? WindowStride { get; init; }

    /// <summary>Most windows of a document; what lies behind the last of them is not read.</summary>
    [Field(Min = 1, Max = 4096, Unit = "windows")]
    public int MostWindows { get; init; } = 256;

    /// <summary>Documents in a file of results: as many are computed again at most, on each rank, when one is lost.</summary>
    [Field(Min = 1, Max = 100_000, Unit = "documents")]
    public int ShardDocuments { get; init; } = 1000;

    /// <summary>Documents or windows in one forward pass.</summary>
    [Field(Min = 1, Max = 65_536, Unit = "rows")]
    public int Batch { get; init; } = 32;
}
