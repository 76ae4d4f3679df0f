using System.Collections.Immutable;
using System.Globalization;
using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Workers;

namespace Linformer.Coordinator.Scaling;

/// <summary>
/// Makes what a decision needs from how jobs and workers stand. It remembers since when each worker has been idle, how large the
/// StatefulSet has been since when, and what its workers are like while there are none; all of that begins anew with the coordinator.
/// </summary>
/// <param name="options">The StatefulSet and its bounds.</param>
/// <param name="time">Measures idle times.</param>
public sealed class ScalingReader(ScalingOptions options, TimeProvider time)
{
    /// <summary>How a drain by scaling begins, to be told from a person's.</summary>
    public const string Mark = "coordinator: no job needs it";

    private readonly Dictionary<int, long> _idleSince = [];
    private (int Replicas, long At)? _size;
    private int _slots = options.SlotsPerWorker;
    private string _device = "";

    /// <summary>The ordinal of a worker; null for one of another StatefulSet, or of none.</summary>
    public int? Ordinal(string worker)
    {
        var prefix = options.StatefulSet.Length + 1;
        return worker.Length > prefix && worker[prefix - 1] == '-' && worker.StartsWith(options.StatefulSet, StringComparison.Ordinal)
            && int.TryParse(worker.AsSpan(prefix), NumberStyles.None, CultureInfo.InvariantCulture, out var ordinal)
            && worker.AsSpan(prefix).SequenceEqual(ordinal.ToString(CultureInfo.InvariantCulture))
                ? ordinal
                : null;
    }

    /// <summary>What a decision needs.</summary>
    /// <param name="replicas">Workers that the StatefulSet is told to have.</param>
    /// <param name="jobs">All unfinished jobs.</param>
    /// <param name="workers">All workers, those that have left too.</param>
    public ScalingView Read(int replicas, IReadOnlyCollection<JobView> jobs, IReadOnlyCollection<WorkerView> workers)
    {
        var now = time.GetTimestamp();
        if (_size?.Replicas != replicas)
            _size = (replicas, now);
        var own = workers
            .Select(worker => (Ordinal: Ordinal(worker.Identity.Name), Worker: worker))
            .Where(one => one.Ordinal is not null)
            .Select(one => (Ordinal: one.Ordinal!.Value, one.Worker))
            .ToList();
        Learn(own.Select(one => one.Worker));
        var scalable = own.Where(one => one.Ordinal < replicas).Select(one => Scalable(one.Ordinal, one.Worker, jobs, now)).ToImmutableArray();
        foreach (var gone in _idleSince.Keys.Where(ordinal => ordinal >= replicas || scalable.All(worker => worker.Ordinal != ordinal)).ToList())
            _idleSince.Remove(gone);

        var others = workers.Where(worker => Ordinal(worker.Identity.Name) is null && worker is { Alive: true, IsLeaving: false, Left: false }).Sum(worker => UsableSlots(worker, jobs));
        var most = ((long)options.Maximum * _slots) + others;
        return new ScalingView
        {
            Need = Math.Max(0, ScalingNeed.Of(jobs, _device, most) - others),
            Replicas = replicas,
            Minimum = options.Minimum,
            Maximum = options.Maximum,
            SlotsPerWorker = _slots,
            IdleTime = options.IdleTime,
            UnchangedFor = time.GetElapsedTime(_size.Value.At, now),
            Workers = scalable,
        };
    }

    /// <summary>
    /// Workers that scaling has drained and that are not there any more, or not of the StatefulSet that is scaled now: they should not be
    /// drained when they come back.
    /// </summary>
    /// <param name="replicas">Workers that the StatefulSet is told to have.</param>
    /// <param name="workers">All workers, those that have left too.</param>
    public IEnumerable<string> MarkedInVain(int replicas, IEnumerable<WorkerView> workers) => workers
        .Where(worker => IsMarked(worker)
            && (Ordinal(worker.Identity.Name) is not { } ordinal || (ordinal >= replicas && (worker.Left || !worker.Alive))))
        .Select(worker => worker.Identity.Name);

    /// <summary>Whether a worker is drained by scaling.</summary>
    public static bool IsMarked(WorkerView worker) => worker.Drained.StartsWith(Mark, StringComparison.Ordinal);

    // What a new worker will be like, from those of its kind that have been seen.
    private void Learn(IEnumerable<WorkerView> own)
    {
        if (own.Where(worker => worker is { Alive: true, Identity.Slots.Length: > 0 }).MaxBy(worker => worker.ConnectedAt) is not { } newest)
            return;
        _device = newest.Identity.Slots[0].Device;
        _slots = Math.Max(1, SlotsOf(newest));
    }

    private int SlotsOf(WorkerView worker) => worker.Identity.Slots.Count(slot => _device.Length == 0 || slot.Device == _device);

    // One that can take nothing new is worth what jobs hold of it.
    private int UsableSlots(WorkerView worker, IReadOnlyCollection<JobView> jobs)
    {
        var slots = SlotsOf(worker);
        return worker.Status.Unfit.Length == 0
            ? slots
            : Math.Min(slots, jobs.Sum(job => job.Placements.Count(placement => placement.Worker == worker.Identity.Name)));
    }

    private ScalableWorker Scalable(int ordinal, WorkerView worker, IReadOnlyCollection<JobView> jobs, long now)
    {
        var busy = IsBusy(worker, jobs);
        if (busy)
            _idleSince.Remove(ordinal);
        else
            _idleSince.TryAdd(ordinal, now);
        // One that is not there is on its way back, unless it never was: its pod is started again.
        return new ScalableWorker(ordinal, worker.Alive && !worker.Left ? UsableSlots(worker, jobs) : _slots)
        {
            IsBusy = busy,
            IdleFor = busy ? TimeSpan.Zero : time.GetElapsedTime(_idleSince[ordinal], now),
            IsMarked = IsMarked(worker),
            // One that leaves by itself is started again; one that a person has drained stays drained.
            IsAway = worker.Drained.Length > 0 && !IsMarked(worker),
        };
    }

    private static bool IsBusy(WorkerView worker, IReadOnlyCollection<JobView> jobs)
    {
        var name = worker.Identity.Name;
        if (jobs.Any(job => job.Placements.Any(placement => placement.Worker == name)))
            return true;
        if (worker.Left)
            return false;
        // After a start of the coordinator, what a worker does is not known until it reports.
        if (!worker.Reported)
            return worker.Alive || worker.IsAwaited;
        return worker.Alive
            && (worker.Status.Groups.Any(group => group.Members.Any(member => member.IsAlive))
                || worker.Status.Leases.Any(lease => lease.Condition == LeaseCondition.Working)
                || worker.Assignment.Leases.Any(lease => worker.Status.Leases.All(reported => reported.LeaseId != lease.LeaseId)));
    }
}
