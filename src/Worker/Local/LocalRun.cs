namespace Linformer.Worker.Local;

/// <summary>What <see cref="LocalLauncher"/> is to run.</summary>
public sealed record LocalRun
{
    /// <summary>The program of a rank process; a name without a slash is looked up in PATH.</summary>
    public required string Command { get; init; }

    /// <summary>Its arguments, the same for every rank.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>The number of ranks, at least 1.</summary>
    public required int WorldSize { get; init; }

    /// <summary>Which of the ranks this machine has; null for all.</summary>
    public IReadOnlyList<int>? Ranks { get; init; }

    /// <summary>Where ranks listen for each other: an IP address, a host name, or a network interface of this machine.</summary>
    public string ListenAddress { get; init; } = "127.0.0.1";

    /// <summary>The address under which ranks of other machines reach those of this one; null for <see cref="ListenAddress"/>.</summary>
    public string? AdvertisedAddress { get; init; }

    /// <summary>Threads of each rank, at least 1.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>The lineage that checkpoints belong to.</summary>
    public int Lineage { get; init; }

    /// <summary>The generation that the ranks form.</summary>
    public int Generation { get; init; } = 1;

    /// <summary>The job with all its settings resolved, as JSON; the launcher does not look into it.</summary>
    public required string JobJson { get; init; }

    /// <summary>The folder that the job's relative paths start from.</summary>
    public required string StorageRoot { get; init; }

    /// <summary>The folder with the job's token shards and tokenizer.</summary>
    public required string CorpusFolder { get; init; }

    /// <summary>The job's own folder, for checkpoints and metrics.</summary>
    public required string RunFolder { get; init; }

    /// <summary>Where the finished model goes.</summary>
    public required string ModelFolder { get; init; }

    /// <summary>
    /// The name of the checkpoint to go on from; <see cref="RankProtocol.StartMessage.NewestCheckpoint"/> to let rank 0 choose;
    /// null to start anew.
    /// </summary>
    public string? ResumeFrom { get; init; }

    /// <summary>Where each rank's log goes, <c>rank-0.log</c> and so on; it is created, and logs in it are appended to.</summary>
    public required string LogFolder { get; init; }

    /// <summary>What the names of the logs begin with.</summary>
    public string LogPrefix { get; init; } = "";

    /// <summary>A library to load before all others in the ranks, such as libjemalloc's path; null for none.</summary>
    public string? PreloadLibrary { get; init; }

    /// <summary>Further environment variables of the ranks.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>How long the other ranks may take to end after one has failed; then they are killed.</summary>
    public TimeSpan FailureGrace { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long a graceful stop may take, its checkpoint included; then the ranks are killed.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromMinutes(2);
}

/// <summary>How a run ended that did not fail.</summary>
public enum LocalRunOutcome
{
    /// <summary>Every rank has done all of the job.</summary>
    Finished,

    /// <summary>The ranks stopped gracefully before the job was done.</summary>
    Stopped,

    /// <summary>The ranks were killed by <see cref="LocalLauncher.Kill"/>.</summary>
    Killed,
}

/// <summary>What a run that did not fail has given.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Summaries">
/// What each rank of this machine said at the end, as JSON, in the order of the ranks; null for one that did not finish the job.
/// </param>
public sealed record LocalRunResult(LocalRunOutcome Outcome, IReadOnlyList<string?> Summaries);
