using System.Collections.Immutable;

namespace Linformer.Coordinator.Corpora;

/// <summary>Where a corpus stands.</summary>
[GenerateSerializer, Alias("linformer.corpus-stage")]
public enum CorpusStage
{
    /// <summary>One worker fingerprints the files, trains or loads the tokenizer, and plans the shards.</summary>
    Planning = 1,

    /// <summary>Workers make shards under leases.</summary>
    Sharding = 2,

    /// <summary>One worker writes the manifest.</summary>
    Finishing = 3,

    /// <summary>It can be trained on.</summary>
    Ready = 4,

    /// <summary>It cannot be prepared.</summary>
    Failed = 5,
}

/// <summary>What a lease is for.</summary>
[GenerateSerializer, Alias("linformer.lease-work")]
public enum LeaseWork
{
    /// <summary>Fingerprint, tokenizer, plan; or find that all was done before.</summary>
    Plan = 1,

    /// <summary>Some shards.</summary>
    Shards = 2,

    /// <summary>Check that all shards are there and write the manifest.</summary>
    Manifest = 3,
}

/// <summary>A part of a corpus's preparation that one worker does.</summary>
/// <param name="LeaseId">New for every grant.</param>
/// <param name="CorpusId">The corpus.</param>
/// <param name="Worker">Who has it.</param>
/// <param name="Work">What it is.</param>
/// <param name="SettingsJson">The corpus section of the job file, as JSON.</param>
/// <param name="Fingerprint">Of the plan; empty for planning.</param>
/// <param name="Folder">Relative to the storage root; empty for planning.</param>
/// <param name="FirstShard">The first shard to make.</param>
/// <param name="ShardCount">How many, from the first on.</param>
[GenerateSerializer, Immutable, Alias("linformer.assigned-lease")]
public sealed record AssignedLease(
    [property: Id(0)] string LeaseId,
    [property: Id(1)] string CorpusId,
    [property: Id(2)] string Worker,
    [property: Id(3)] LeaseWork Work,
    [property: Id(4)] string SettingsJson,
    [property: Id(5)] string Fingerprint,
    [property: Id(6)] string Folder,
    [property: Id(7)] int FirstShard,
    [property: Id(8)] int ShardCount);

/// <summary>How a lease stands.</summary>
[GenerateSerializer, Alias("linformer.lease-condition")]
public enum LeaseCondition
{
    /// <summary>It is being worked on.</summary>
    Working = 1,

    /// <summary>It is done.</summary>
    Done = 2,

    /// <summary>It failed.</summary>
    Failed = 3,
}

/// <summary>A lease as its agent reports it.</summary>
[GenerateSerializer, Immutable, Alias("linformer.reported-lease")]
public sealed record ReportedLease
{
    /// <summary>The lease.</summary>
    [Id(0)] public required string LeaseId { get; init; }

    /// <summary>The corpus.</summary>
    [Id(1)] public required string CorpusId { get; init; }

    /// <summary>How it stands.</summary>
    [Id(2)] public LeaseCondition Condition { get; init; }

    /// <summary>How far it is.</summary>
    [Id(3)] public PreparationStand? Progress { get; init; }

    /// <summary>Why it failed.</summary>
    [Id(4)] public string Error { get; init; } = "";

    /// <summary>Whether another try would end the same way.</summary>
    [Id(5)] public bool Permanent { get; init; }

    /// <summary>Of a plan that is done.</summary>
    [Id(6)] public PlannedCorpus? Plan { get; init; }

    /// <summary>Of a manifest that is done.</summary>
    [Id(7)] public CorpusTotals? Totals { get; init; }
}

/// <summary>How far a preparation is.</summary>
/// <param name="Phase">What is being done, in words.</param>
/// <param name="Done">How much of it is done.</param>
/// <param name="Total">How much there is; 0 when that is not known.</param>
/// <param name="Unit">Of what.</param>
[GenerateSerializer, Immutable, Alias("linformer.preparation-stand")]
public sealed record PreparationStand(
    [property: Id(0)] string Phase, [property: Id(1)] long Done, [property: Id(2)] long Total, [property: Id(3)] string Unit);

/// <summary>What planning has found.</summary>
/// <param name="Fingerprint">SHA-256 over everything that decides the shards' content.</param>
/// <param name="Folder">Where they go, relative to the storage root.</param>
/// <param name="Shards">How many there will be.</param>
/// <param name="VocabularySize">The tokenizer's tokens.</param>
/// <param name="Existing">Set when all was done before.</param>
[GenerateSerializer, Immutable, Alias("linformer.planned-corpus")]
public sealed record PlannedCorpus(
    [property: Id(0)] string Fingerprint,
    [property: Id(1)] string Folder,
    [property: Id(2)] int Shards,
    [property: Id(3)] int VocabularySize,
    [property: Id(4)] CorpusTotals? Existing);

/// <summary>What is in a corpus that is ready.</summary>
/// <param name="Documents">Documents.</param>
/// <param name="Tokens">Tokens, without separators.</param>
/// <param name="VocabularySize">The tokenizer's tokens.</param>
/// <param name="Shards">Shards.</param>
[GenerateSerializer, Immutable, Alias("linformer.corpus-totals")]
public sealed record CorpusTotals(
    [property: Id(0)] long Documents, [property: Id(1)] long Tokens, [property: Id(2)] int VocabularySize, [property: Id(3)] int Shards);

/// <summary>How a corpus stands.</summary>
[GenerateSerializer, Immutable, Alias("linformer.corpus-view")]
public sealed record CorpusView
{
    /// <summary>Hash of the settings.</summary>
    [Id(0)] public required string CorpusId { get; init; }

    /// <summary>Where it stands.</summary>
    [Id(1)] public CorpusStage Stage { get; init; }

    /// <summary>Goes up each time that a preparation starts. Files may have changed since the one before.</summary>
    [Id(2)] public long Round { get; init; }

    /// <summary>The corpus section of the job file, as JSON.</summary>
    [Id(3)] public required string SettingsJson { get; init; }

    /// <summary>Once it is planned.</summary>
    [Id(4)] public PlannedCorpus? Plan { get; init; }

    /// <summary>Shards that are made.</summary>
    [Id(5)] public int ShardsDone { get; init; }

    /// <summary>Once it is ready.</summary>
    [Id(6)] public CorpusTotals? Totals { get; init; }

    /// <summary>Why it failed.</summary>
    [Id(7)] public string Error { get; init; } = "";

    /// <summary>The leases that are out.</summary>
    [Id(8)] public ImmutableArray<AssignedLease> Leases { get; init; } = [];

    /// <summary>How far it is.</summary>
    [Id(9)] public PreparationStand? Progress { get; init; }

    /// <summary>When it last changed.</summary>
    [Id(10)] public DateTimeOffset UpdatedAt { get; init; }

    /// <summary>The newest round that ended well; a newer one may be under way.</summary>
    [Id(11)] public ReadyCorpus? Ready { get; init; }

    /// <summary>Who asked for it, and which round is good for them.</summary>
    [Id(12)] public ImmutableArray<CorpusAsk> Asks { get; init; } = [];

    /// <summary>How the corpus stands for one who asked.</summary>
    /// <param name="asker">Who asked.</param>
    public CorpusOutcome For(string asker)
    {
        if (Asks.FirstOrDefault(ask => ask.Asker == asker) is not { } ask)
            return CorpusOutcome.NotAsked;
        if (Ready?.Round >= ask.Round)
            return CorpusOutcome.Ready;
        return Stage == CorpusStage.Failed && Round >= ask.Round ? CorpusOutcome.Failed : CorpusOutcome.UnderWay;
    }
}

/// <summary>A round that ended with a corpus that can be trained on.</summary>
/// <param name="Round">The round.</param>
/// <param name="Plan">What it is.</param>
/// <param name="Totals">What is in it.</param>
[GenerateSerializer, Immutable, Alias("linformer.ready-corpus")]
public sealed record ReadyCorpus([property: Id(0)] long Round, [property: Id(1)] PlannedCorpus Plan, [property: Id(2)] CorpusTotals Totals);

/// <summary>One who needs the corpus.</summary>
/// <param name="Asker">Who: a job and the number of its preparation.</param>
/// <param name="Round">The first round that read the files after the corpus was asked for.</param>
[GenerateSerializer, Immutable, Alias("linformer.corpus-ask")]
public sealed record CorpusAsk([property: Id(0)] string Asker, [property: Id(1)] long Round);

/// <summary>How a corpus stands for one who asked for it.</summary>
public enum CorpusOutcome
{
    /// <summary>It has not been asked for, or so long ago that it is forgotten.</summary>
    NotAsked,

    /// <summary>Its round has not ended.</summary>
    UnderWay,

    /// <summary>It can be trained on.</summary>
    Ready,

    /// <summary>It cannot be prepared.</summary>
    Failed,
}
