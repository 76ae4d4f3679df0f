using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Workers;

namespace Linformer.Coordinator.Scheduling;

/// <summary>What the scheduler remembers from pass to pass. All of it may be lost: then something is said twice, or waited for again.</summary>
internal sealed class SchedulerMemory
{
    private long? _lastRead;
    private bool _late;

    /// <summary>Whether the next pass has to read everything.</summary>
    public bool Stale { get; set; } = true;

    /// <summary>The workers that the next pass has to read in any case.</summary>
    public HashSet<string> StaleWorkers { get; } = new(StringComparer.Ordinal);

    /// <summary>When everything was last read.</summary>
    public long ReadAt { get; set; }

    /// <summary>The workers as they were last read.</summary>
    public Dictionary<string, WorkerView> Workers { get; } = new(StringComparer.Ordinal);

    /// <summary>Jobs as they were last read.</summary>
    public Dictionary<string, JobView> Jobs { get; } = new(StringComparer.Ordinal);

    /// <summary>What each job was last told of its members, and when.</summary>
    public Dictionary<string, (string Seen, long At)> Told { get; } = new(StringComparer.Ordinal);

    /// <summary>Since when the members of a job's generation have left it, nobody knows why.</summary>
    public Waits Broken { get; } = new();

    /// <summary>Since when a job gathers members for a generation.</summary>
    public Waits Gathering { get; } = new();

    /// <summary>Since when a job's members wait to hand over.</summary>
    public Waits Handover { get; } = new();

    /// <summary>Since when a job runs with too few ranks and gets no more.</summary>
    public Waits Needy { get; } = new();

    /// <summary>Which members were slow when they were last looked at.</summary>
    public StragglerWatch Stragglers { get; } = new();

    /// <summary>Since when a worker has ranks that should have ended.</summary>
    public Dictionary<string, DateTimeOffset> ClearingSince { get; } = new(StringComparer.Ordinal);

    /// <summary>The workers that are known to be lost.</summary>
    public HashSet<string> LostWorkers { get; } = new(StringComparer.Ordinal);

    /// <summary>Who has asked for a corpus.</summary>
    public HashSet<string> Asked { get; } = new(StringComparer.Ordinal);

    /// <summary>The corpus of each job.</summary>
    public Dictionary<string, CorpusKey> CorpusKeys { get; } = new(StringComparer.Ordinal);

    /// <summary>Corpora that jobs need, as they were last read.</summary>
    public Dictionary<string, CorpusView> Corpora { get; } = new(StringComparer.Ordinal);

    /// <summary>From when on workers have a lease to be heard again: a timestamp of the clock that nobody puts forward or back.</summary>
    public long GraceFrom { get; private set; }

    /// <summary>
    /// Notes that a pass has read the cluster. When the one before was so long ago that the coordinator must have stood still, what it
    /// has not heard since is not the workers' fault: the grace begins anew, as after a start. Not twice in a row, or a coordinator that
    /// is always late would never lose a worker.
    /// </summary>
    /// <returns>How long it stood still; null when it did not.</returns>
    public TimeSpan? NoteRead(TimeProvider time, ClusterTiming timing)
    {
        var before = _lastRead;
        var now = time.GetTimestamp();
        _lastRead = now;
        if (before is null)
            GraceFrom = now;
        TimeSpan? stood = before is { } last && time.GetElapsedTime(last, now) is var gap && gap > timing.Standstill ? gap : null;
        var wasLate = _late;
        _late = stood is not null;
        if (stood is null || wasLate)
            return null;
        GraceFrom = now;
        Broken.Clear();
        Gathering.Clear();
        Handover.Clear();
        ClearingSince.Clear();
        return stood;
    }

    /// <summary>Forgets what is about jobs that have ended.</summary>
    /// <param name="unfinished">The jobs that have not.</param>
    public void KeepOnly(IReadOnlySet<string> unfinished)
    {
        Prune(Jobs, unfinished);
        Prune(Told, unfinished);
        Broken.KeepOnly(unfinished);
        Gathering.KeepOnly(unfinished);
        Handover.KeepOnly(unfinished);
        Needy.KeepOnly(unfinished);
        Stragglers.KeepOnly(unfinished);
        Prune(CorpusKeys, unfinished);
    }

    private static void Prune<T>(Dictionary<string, T> entries, IReadOnlySet<string> kept)
    {
        foreach (var key in entries.Keys.Where(key => !kept.Contains(key)).ToList())
            entries.Remove(key);
    }
}
