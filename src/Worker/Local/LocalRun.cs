using Linformer.Worker.Agents;
using Linformer.Worker.Machines;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Local;

/// <summary>What <see cref="LocalLauncher"/> is to run.</summary>
public sealed record LocalRun
{
    /// <summary>The program of a rank process; a name without a slash is looked up in PATH.</summary>
    public required string Command { get; init; }

    /// <summary>Its arguments, the same for every rank.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Rank processes, at least 1. The first of them are the ranks of a generation that has fewer; the others wait.</summary>
    public required int Processes { get; init; }

    /// <summary>Threads of each rank, at least 1.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>The generation that the processes form first; its <see cref="JoinMessage.Rank"/> is not looked at.</summary>
    public required JoinMessage First { get; init; }

    /// <summary>
    /// The generation that follows one whose ranks have left it as planned, or since a loss was bad; null when the run cannot go on.
    /// </summary>
    public Func<GenerationEnd, JoinMessage?> Next { get; init; } = _ => null;

    /// <summary>The job with all its settings resolved, as JSON; the launcher does not look into it.</summary>
    public required string JobJson { get; init; }

    /// <summary>The folder that the job's relative paths start from.</summary>
    public required string StorageRoot { get; init; }

    /// <summary>The folder with the job's token shards and tokenizer; empty for a job without a corpus.</summary>
    public required string CorpusFolder { get; init; }

    /// <summary>The job's own folder, for checkpoints and metrics.</summary>
    public required string RunFolder { get; init; }

    /// <summary>Where the finished model goes.</summary>
    public required string ModelFolder { get; init; }

    /// <summary>Whether ranks may run code of whoever submitted the job.</summary>
    public bool AllowPlugins { get; init; }

    /// <summary>Where each rank's log goes, <c>rank-0.log</c> and so on; it is created, and logs in it are appended to.</summary>
    public required string LogFolder { get; init; }

    /// <summary>The GPU of each process; empty when they compute on the CPU.</summary>
    public IReadOnlyList<Gpu> Gpus { get; init; } = [];

    /// <summary>A library to load before all others in the ranks; null for the machine's jemalloc, if it has one.</summary>
    public string? PreloadLibrary { get; init; }

    /// <summary>Further environment variables of the ranks.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>When a rank counts as hung and is killed, which ends the run as other failures do; null for never.</summary>
    public WatchdogOptions? Watchdog { get; init; }

    /// <summary>How long the other ranks may take to end after one has failed; then they are killed.</summary>
    public TimeSpan FailureGrace { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long a graceful stop may take, its checkpoint included; then the ranks are killed.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromMinutes(2);
}

/// <summary>The ranks of a generation have left it, without one having failed.</summary>
/// <param name="Generation">The generation.</param>
/// <param name="Step">The last step that they applied.</param>
/// <param name="BadLossStep">The step whose loss was bad, where that is why; null when they left where they were told to.</param>
/// <param name="Reason">What was bad, such as "the loss is NaN"; null otherwise.</param>
public sealed record GenerationEnd(int Generation, long Step, long? BadLossStep, string? Reason);

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
/// What each process said at the end, as JSON, in their order; null for one that did not finish the job.
/// </param>
public sealed record LocalRunResult(LocalRunOutcome Outcome, IReadOnlyList<string?> Summaries);
