using System.Collections.Immutable;

namespace Linformer.Coordinator.Scaling;

/// <summary>A worker of the StatefulSet, as far as scaling minds it.</summary>
/// <param name="Ordinal">The number at the end of its pod's name; the highest are removed first.</param>
/// <param name="Slots">Slots that it has, or will have once it is there; those that jobs hold, where it can take nothing new.</param>
public sealed record ScalableWorker(int Ordinal, int Slots)
{
    /// <summary>Whether a job has a slot on it, a process of a rank lives, a corpus is prepared there, or none of that is known.</summary>
    public bool IsBusy { get; init; }

    /// <summary>Since when it has had nothing to do.</summary>
    public TimeSpan IdleFor { get; init; }

    /// <summary>Whether scaling drained it, to remove it.</summary>
    public bool IsMarked { get; init; }

    /// <summary>Whether a person drained it: its slots count for nothing.</summary>
    public bool IsAway { get; init; }
}

/// <summary>What a decision is made from.</summary>
public sealed record ScalingView
{
    /// <summary>Slots that jobs need of the StatefulSet.</summary>
    public required long Need { get; init; }

    /// <summary>Workers that the StatefulSet is told to have.</summary>
    public required int Replicas { get; init; }

    /// <summary>The fewest workers.</summary>
    public required int Minimum { get; init; }

    /// <summary>The most workers.</summary>
    public required int Maximum { get; init; }

    /// <summary>Slots of a worker that is not in <see cref="Workers"/>; at least 1.</summary>
    public required int SlotsPerWorker { get; init; }

    /// <summary>A worker that is to be removed has had nothing to do for so long.</summary>
    public required TimeSpan IdleTime { get; init; }

    /// <summary>Since when the StatefulSet has been as large as it is: a worker that did not come in that time is idle too.</summary>
    public TimeSpan UnchangedFor { get; init; }

    /// <summary>The workers that are known, each ordinal at most once.</summary>
    public ImmutableArray<ScalableWorker> Workers { get; init; } = [];
}

/// <summary>What is to be done.</summary>
/// <param name="Replicas">Workers that the StatefulSet should have.</param>
/// <param name="Mark">Ordinals to drain, so that nothing is placed there before they are removed.</param>
/// <param name="Unmark">Ordinals that scaling has drained and that are needed after all.</param>
/// <param name="Reason">Why, for the log.</param>
public sealed record ScalingDecision(int Replicas, ImmutableArray<int> Mark, ImmutableArray<int> Unmark, string Reason)
{
    /// <summary>
    /// Decides, as a pure function. More workers come at once: as many as hold the need, within the bounds. Fewer only after a while: a
    /// StatefulSet removes its highest ordinals, so those above what is needed are drained first, from the highest down to the first that is
    /// busy or was so lately, and removed when a later decision finds them drained and still idle. A busy worker is never removed, not even
    /// beyond the upper bound.
    /// </summary>
    public static ScalingDecision Decide(ScalingView view)
    {
        var workers = view.Workers.ToDictionary(worker => worker.Ordinal);
        var enough = Enough(view, workers);
        if (enough >= view.Replicas)
            return Grow(view, enough);

        var removable = view.Replicas;
        while (removable > enough && MayGo(view, workers.GetValueOrDefault(removable - 1), removable - 1))
            removable--;
        var kept = view.Replicas;
        while (kept > removable && IsMarkedOrMissing(workers.GetValueOrDefault(kept - 1)))
            kept--;
        var mark = view.Workers.Where(worker => worker.Ordinal >= removable && worker.Ordinal < kept && worker is { IsMarked: false, IsAway: false });
        return new ScalingDecision(kept, Sorted(mark), Unmarked(view, removable), Words(view, enough));
    }

    private static ScalingDecision Grow(ScalingView view, int enough) => new(enough, [], Unmarked(view, enough), Words(view, enough));

    /// <summary>The fewest workers, within the bounds, whose slots hold the need.</summary>
    private static int Enough(ScalingView view, Dictionary<int, ScalableWorker> workers)
    {
        var slots = 0L;
        var count = 0;
        while (count < view.Maximum && (count < view.Minimum || slots < view.Need))
        {
            slots += workers.TryGetValue(count, out var worker) ? worker.IsAway ? 0 : worker.Slots : view.SlotsPerWorker;
            count++;
        }
        return count;
    }

    private static bool MayGo(ScalingView view, ScalableWorker? worker, int ordinal)
    {
        if (worker is null)
            return ordinal >= view.Maximum || view.UnchangedFor >= view.IdleTime;
        return !worker.IsBusy && (ordinal >= view.Maximum || worker.IdleFor >= view.IdleTime);
    }

    private static bool IsMarkedOrMissing(ScalableWorker? worker) => worker is null or { IsMarked: true } or { IsAway: true };

    // Whoever became busy before its drain was known keeps what it has.
    private static ImmutableArray<int> Unmarked(ScalingView view, int needed) =>
        Sorted(view.Workers.Where(worker => worker.IsMarked && worker.Ordinal < needed));

    private static ImmutableArray<int> Sorted(IEnumerable<ScalableWorker> workers) => [.. workers.Select(worker => worker.Ordinal).Order()];

    private static string Words(ScalingView view, int enough)
    {
        var need = view.Need == 1 ? "jobs need 1 slot" : $"jobs need {view.Need} slots";
        return enough == view.Maximum && view.Need > 0 ? $"{need}; {view.Maximum} workers are the most"
            : enough == view.Minimum && view.Minimum > 0 ? $"{need}; {view.Minimum} workers are the fewest"
            : need;
    }
}
