using System.Collections.Immutable;

namespace Linformer.Coordinator.Corpora;

/// <summary>What a corpus's grain stores. What is neither waiting nor leased in a stage is done.</summary>
[GenerateSerializer, Immutable, Alias("linformer.corpus-state")]
public sealed record CorpusState
{
    /// <summary>The corpus; empty before it is asked for.</summary>
    [Id(0)] public string CorpusId { get; init; } = "";

    /// <summary>The settings that decide it, as JSON.</summary>
    [Id(1)] public string SettingsJson { get; init; } = "";

    /// <summary>Where the round stands.</summary>
    [Id(2)] public CorpusStage Stage { get; init; }

    /// <summary>The newest round; 0 before the first.</summary>
    [Id(3)] public long Round { get; init; }

    /// <summary>Who needs it, and which round is good for them.</summary>
    [Id(4)] public ImmutableArray<CorpusAsk> Asks { get; init; } = [];

    /// <summary>Once the round is planned.</summary>
    [Id(5)] public PlannedCorpus? Plan { get; init; }

    /// <summary>The newest round that ended well.</summary>
    [Id(6)] public ReadyCorpus? Ready { get; init; }

    /// <summary>Why the round failed.</summary>
    [Id(7)] public string Error { get; init; } = "";

    /// <summary>Work of the stage that nobody has.</summary>
    [Id(8)] public ImmutableArray<WaitingWork> Waiting { get; init; } = [];

    /// <summary>Work of the stage that somebody has.</summary>
    [Id(9)] public ImmutableArray<GrantedLease> Leases { get; init; } = [];

    /// <summary>Leases granted so far, for their ids.</summary>
    [Id(10)] public long Grants { get; init; }

    /// <summary>When it last changed.</summary>
    [Id(11)] public DateTimeOffset UpdatedAt { get; init; }

    /// <summary>Whether a round is under way.</summary>
    public bool UnderWay => Stage is CorpusStage.Planning or CorpusStage.Sharding or CorpusStage.Finishing;
}

/// <summary>Work that waits for a worker: a run of shards, or, when planning and finishing, the one thing to do.</summary>
/// <param name="FirstShard">The first shard.</param>
/// <param name="ShardCount">How many; 0 for the plan and the manifest.</param>
/// <param name="Failures">How often it has failed.</param>
/// <param name="FailedOn">The worker on which it failed last; empty for none.</param>
/// <param name="NotBefore">Not to be tried again before this time; null for at once.</param>
[GenerateSerializer, Immutable, Alias("linformer.waiting-work")]
public sealed record WaitingWork(
    [property: Id(0)] int FirstShard,
    [property: Id(1)] int ShardCount,
    [property: Id(2)] int Failures,
    [property: Id(3)] string FailedOn,
    [property: Id(4)] DateTimeOffset? NotBefore = null);

/// <summary>A lease that is out.</summary>
/// <param name="Lease">The lease.</param>
/// <param name="Failures">How often its work has failed before.</param>
[GenerateSerializer, Immutable, Alias("linformer.granted-lease")]
public sealed record GrantedLease([property: Id(0)] AssignedLease Lease, [property: Id(1)] int Failures);
