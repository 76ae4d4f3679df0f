using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Scheduling;

/// <summary>What the scheduler remembers from pass to pass. All of it may be lost: then something is said twice, or waited for again.</summary>
internal sealed class SchedulerMemory
{
    /// <summary>Jobs as they were last read.</summary>
    public Dictionary<string, JobView> Jobs { get; } = new(StringComparer.Ordinal);

    /// <summary>What each job was last told of its ranks.</summary>
    public Dictionary<string, string> Told { get; } = new(StringComparer.Ordinal);

    /// <summary>Since when a job waits for the cause of a lost peer, and in which generation.</summary>
    public Dictionary<string, (int Generation, DateTimeOffset Since)> AwaitingCause { get; } = new(StringComparer.Ordinal);

    /// <summary>Since when a worker has ranks that should have ended.</summary>
    public Dictionary<string, DateTimeOffset> ClearingSince { get; } = new(StringComparer.Ordinal);

    /// <summary>Who has asked for a corpus.</summary>
    public HashSet<string> Asked { get; } = new(StringComparer.Ordinal);

    /// <summary>The corpus of each job.</summary>
    public Dictionary<string, CorpusKey> CorpusKeys { get; } = new(StringComparer.Ordinal);

    /// <summary>Corpora that jobs need, as they were last read.</summary>
    public Dictionary<string, CorpusView> Corpora { get; } = new(StringComparer.Ordinal);

    /// <summary>Forgets what is about jobs that have ended.</summary>
    /// <param name="unfinished">The jobs that have not.</param>
    public void KeepOnly(IReadOnlySet<string> unfinished)
    {
        Prune(Jobs, unfinished);
        Prune(Told, unfinished);
        Prune(AwaitingCause, unfinished);
        Prune(CorpusKeys, unfinished);
    }

    private static void Prune<T>(Dictionary<string, T> entries, IReadOnlySet<string> kept)
    {
        foreach (var key in entries.Keys.Where(key => !kept.Contains(key)).ToList())
            entries.Remove(key);
    }
}
