using System.Collections.Immutable;
using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Workers;
using Microsoft.Extensions.Logging;

namespace Linformer.Coordinator.Scheduling;

/// <summary>
/// One pass: read, observe, place, prepare, assign. A job, corpus or worker whose grain fails is left as it is, and the pass goes on
/// for the others.
/// </summary>
internal sealed class SchedulerPass(
    IGrainFactory grains,
    IJobStore jobStore,
    IRosterStore roster,
    ITelemetryStore telemetry,
    IEventLog events,
    ClusterTiming timing,
    TimeProvider time,
    ILogger logger,
    SchedulerMemory memory)
{
    private readonly Dictionary<string, JobView> _jobs = new(StringComparer.Ordinal);
    private readonly Dictionary<string, WorkerView> _workers = new(StringComparer.Ordinal);
    private readonly HashSet<string> _unreadableJobs = new(StringComparer.Ordinal);
    private readonly HashSet<string> _unreadableWorkers = new(StringComparer.Ordinal);
    private readonly HashSet<string> _unreadableCorpora = new(StringComparer.Ordinal);
    private readonly HashSet<string> _hangingWorkers = new(StringComparer.Ordinal);
    private TimeSpan? _due;

    private ClusterView Cluster => new()
    {
        Jobs = _jobs,
        Workers = _workers,
        UnreadableJobs = _unreadableJobs,
        UnreadableWorkers = _unreadableWorkers,
        HangingWorkers = _hangingWorkers,
        Timing = timing,
        Now = time.GetUtcNow(),
        InGrace = time.GetElapsedTime(memory.GraceFrom) < timing.Lease,
    };

    /// <summary>Makes the pass; tells how soon another one is due, zero for at once, null for with the next tick.</summary>
    public async Task<TimeSpan?> RunAsync(CancellationToken cancellationToken)
    {
        await ReadAsync(cancellationToken);
        if (memory.NoteRead(time, timing) is { } stood)
            logger.LogWarning("The coordinator stood still for {Seconds:0.0} s; workers have their lease anew to report", stood.TotalSeconds);
        NoteLost();
        await ForgetAsync(cancellationToken);
        await ObserveAsync(cancellationToken);
        NoteClearing();
        await PlaceAsync(cancellationToken);
        if (await PrepareAsync(cancellationToken))
            Due(TimeSpan.Zero);
        await AssignAsync(cancellationToken);
        await LookForStragglersAsync(cancellationToken);
        return _due;
    }

    private void Due(TimeSpan after) => _due = _due is { } before && before <= after ? before : after;

    // Whatever changes a job or a worker pokes for it. All are read anew at every tick nevertheless: a poke may be lost, and time passes.
    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        var all = memory.Stale || time.GetElapsedTime(memory.ReadAt) >= ClusterTiming.PassInterval * 0.9;
        var stale = memory.StaleWorkers.ToList();
        memory.Stale = false;
        memory.StaleWorkers.Clear();
        await (all ? ReadAllAsync(cancellationToken) : ReadSomeAsync(stale, cancellationToken));
    }

    private async Task ReadAllAsync(CancellationToken cancellationToken)
    {
        memory.ReadAt = time.GetTimestamp();
        var unfinished = await jobStore.UnfinishedAsync(cancellationToken);
        var names = await roster.WorkersAsync(cancellationToken);
        memory.Workers.Clear();
        await Task.WhenAll(unfinished.Select(job => ReadJobAsync(job, cancellationToken)).Concat(names.Select(name => ReadWorkerAsync(name, cancellationToken))));
        memory.KeepOnly(unfinished.Select(job => job.JobId).ToHashSet(StringComparer.Ordinal));
    }

    // Jobs are as this grain left them, or there would have been a poke for all.
    private async Task ReadSomeAsync(List<string> stale, CancellationToken cancellationToken)
    {
        await Task.WhenAll(stale.Select(name => ReadWorkerAsync(name, cancellationToken)));
        foreach (var job in memory.Jobs.Values.Where(job => !job.HasEnded))
            _jobs[job.JobId] = job;
        foreach (var (name, view) in memory.Workers)
            _workers.TryAdd(name, view);
    }

    private async Task ReadJobAsync(JobSubmission submission, CancellationToken cancellationToken)
    {
        var id = submission.JobId;
        try
        {
            var grain = grains.GetGrain<IJobGrain>(id);
            Remember(await grain.Get(cancellationToken) ?? await grain.Create(submission, cancellationToken));
        }
        catch (Exception exception) when (IsOneGrains(cancellationToken))
        {
            logger.LogWarning(exception, "Job {JobId} cannot be read now; it stays as it is", id);
            _unreadableJobs.Add(id);
            memory.Stale = true;
            if (memory.Jobs.TryGetValue(id, out var known))
                _jobs[id] = known;
        }
    }

    private async Task ReadWorkerAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            if (await grains.GetGrain<IWorkerGrain>(name).Get(cancellationToken) is { } view)
                _workers[name] = memory.Workers[name] = view;
        }
        catch (Exception exception) when (IsOneGrains(cancellationToken))
        {
            logger.LogWarning(exception, "Worker {Worker} cannot be read now; it stays as it is", name);
            _unreadableWorkers.Add(name);
            memory.Stale = true;
        }
    }

    private void NoteLost()
    {
        var cluster = Cluster;
        foreach (var (name, worker) in _workers)
        {
            if (worker.Alive && memory.LostWorkers.Remove(name))
                Note("back", "", EventSeverity.Info);
            else if (worker is { Alive: false, Left: false } && !cluster.InGrace && memory.LostWorkers.Add(name))
                Note("lost", $"not heard of since {worker.LastSeen:u}", EventSeverity.Warning);

            void Note(string what, string why, EventSeverity severity) => events.Note(
                new EventRow { At = cluster.Now, Kind = EventKind.Worker, Subject = name, Name = name, What = what, Why = why, Severity = severity });
        }
        memory.LostWorkers.RemoveWhere(name => !_workers.ContainsKey(name) && !_unreadableWorkers.Contains(name));
    }

    private async Task ForgetAsync(CancellationToken cancellationToken)
    {
        var cluster = Cluster;
        if (cluster.InGrace)
            return;
        foreach (var (name, worker) in _workers)
        {
            var lastSeen = worker.LastSeen > timing.StartedAt ? worker.LastSeen : timing.StartedAt;
            if (worker.Alive || cluster.Now - lastSeen <= timing.ForgetAfter)
                continue;
            try
            {
                if (!await grains.GetGrain<IWorkerGrain>(name).Forget(cancellationToken))
                    continue;
                _workers.Remove(name);
                memory.Workers.Remove(name);
            }
            catch (Exception exception) when (IsOneGrains(cancellationToken))
            {
                logger.LogWarning(exception, "Worker {Worker} cannot be forgotten now", name);
            }
        }
    }

    private async Task ObserveAsync(CancellationToken cancellationToken)
    {
        var cluster = Cluster;
        var held = _jobs.Values.Where(job => job.Phase is JobPhase.Preparing or JobPhase.Running && !_unreadableJobs.Contains(job.JobId)).ToList();
        var telling = new List<Task>();
        foreach (var job in held)
        {
            var seen = See(cluster, job);
            var key = Key(job, seen);
            if (memory.Told.TryGetValue(job.JobId, out var told) && (told.Seen == key || IsSteady(job, seen))
                && (IsSteady(job, seen) || time.GetElapsedTime(told.At) < ClusterTiming.PassInterval))
            {
                continue;
            }
            telling.Add(TellAsync(job, seen, key, cancellationToken));
        }
        // Each of them waits for the database; all together they wait as long as one.
        await Task.WhenAll(telling);
    }

    private async Task TellAsync(JobView job, JobObserved seen, string key, CancellationToken cancellationToken)
    {
        await ApplyAsync(job, () => ObservedAsync(job, seen, cancellationToken), cancellationToken);
        if (_unreadableJobs.Contains(job.JobId))
            return;
        memory.Told[job.JobId] = (key, time.GetTimestamp());
        // There may be more to decide.
        if (_jobs[job.JobId].Revision != job.Revision)
            Due(TimeSpan.Zero);
    }

    private JobObserved See(ClusterView cluster, JobView job)
    {
        var members = Assignments.Observe(cluster, job);
        var broken = job.Plan is { } plan && members.Any(
            member => member.Condition == MemberCondition.Waiting && member.Generation == plan.Generation && plan.Members.Contains(member.Member));
        var cause = memory.Broken.Note(job.JobId, broken, $"{job.Generation}", time);
        if (cause < timing.CauseGrace)
            Due(timing.CauseGrace - cause.Value);
        var gathers = job.Phase == JobPhase.Running && job.Plan?.Members.All(member => members.Any(seen => seen.Member == member)) != true;
        var start = memory.Gathering.Note(job.JobId, gathers, $"{job.Generation} {job.LastMember}", time);
        var leaves = job.Phase == JobPhase.Running && members.Any(member => member.Leaving.Length > 0);
        var handover = memory.Handover.Note(job.JobId, leaves, "", time);
        // The first pass that sees it also looks for slots elsewhere.
        var coming = members.Any(member => member.Leaving.Length == 0 && member.Condition is MemberCondition.Assigned or MemberCondition.Starting);
        if (handover == TimeSpan.Zero)
            Due(TimeSpan.Zero);
        return new JobObserved
        {
            Revision = job.Revision,
            Members = members,
            CauseAwaited = cause >= timing.CauseGrace,
            StartAwaited = start >= timing.StartPatience,
            HandoverAwaited = handover >= timing.HandoverPatience || (handover > TimeSpan.Zero && !coming && cluster.WorkersAreBack),
        };
    }

    private static string Key(JobView job, JobObserved seen) =>
        $"{job.Revision} {seen.CauseAwaited} {seen.StartAwaited} {seen.HandoverAwaited} "
        + string.Join(' ', seen.Members.Select(
            member => $"{member.Member}:{member.Condition}:{member.Generation}:{member.HoldsState}:{member.Leaving.Length > 0}:{member.BadLoss is not null}"));

    /// <summary>Whether there is nothing in what is seen that the job has to hear of.</summary>
    private static bool IsSteady(JobView job, JobObserved seen) => job.Phase == JobPhase.Preparing
        ? seen.Members.All(member => !member.IsGone && member.Leaving.Length == 0)
        : job is { Plan: { } plan, Reason.Length: 0, Stopping: false } && plan.Members.Length == seen.Members.Length && seen.Members.All(
            member => member is { Condition: MemberCondition.Training, Leaving.Length: 0 } && member.Generation == plan.Generation && plan.Members.Contains(member.Member));

    private async Task<JobEvent> ObservedAsync(JobView job, JobObserved seen, CancellationToken cancellationToken)
    {
        var progress = await telemetry.ProgressAsync(job.JobId, cancellationToken);
        return seen with { CommittedStep = progress.Lineage == job.Lineage ? progress.CommittedStep : 0, RecordedGeneration = progress.Generation };
    }

    private void NoteClearing()
    {
        var cluster = Cluster;
        var clearing = _workers.Values.Where(worker => Assignments.IsClearing(cluster, worker)).Select(worker => worker.Identity.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var name in memory.ClearingSince.Keys.Where(name => !clearing.Contains(name)).ToList())
            memory.ClearingSince.Remove(name);
        foreach (var name in clearing)
        {
            memory.ClearingSince.TryAdd(name, cluster.Now);
            if (cluster.Now - memory.ClearingSince[name] >= timing.ClearingWait)
                _hangingWorkers.Add(name);
        }
    }

    private async Task PlaceAsync(CancellationToken cancellationToken)
    {
        var cluster = Cluster;
        var unknown = _unreadableJobs.Any(id => !_jobs.ContainsKey(id)) && cluster.InGrace;
        var waiting = Assignments.Waiting(cluster).ToList();
        ImmutableArray<GangDecision> decisions = waiting.Count == 0 ? []
            : cluster.WorkersAreBack && !unknown ? GangScheduler.Place(waiting, Assignments.Capacities(cluster))
            : [.. waiting.Select(job => new GangDecision(job.JobId, [], "waits for the cluster's workers to report"))];
        await Task.WhenAll(decisions.Select(decision => ApplyAsync(decision, cancellationToken)).ToList());
        await YieldAsync(decisions, cancellationToken);
    }

    private Task ApplyAsync(GangDecision decision, CancellationToken cancellationToken)
    {
        var job = _jobs[decision.JobId];
        var runs = job.Phase == JobPhase.Running;
        if (!decision.Places.IsEmpty)
            return ApplyAsync(job, runs ? new JobGrown(decision.Places) : new JobPlaced(decision.Places), cancellationToken);
        return !runs && job.Reason != decision.Reason ? ApplyAsync(job, new JobWaits(decision.Reason), cancellationToken) : Task.CompletedTask;
    }

    /// <summary>Jobs that have run with too few ranks for long give their slots to others that wait for them.</summary>
    private async Task YieldAsync(ImmutableArray<GangDecision> decisions, CancellationToken cancellationToken)
    {
        var cluster = Cluster;
        List<WorkerCapacity>? capacities = null;
        var waiting = Assignments.Waiting(cluster).ToDictionary(job => job.JobId, StringComparer.Ordinal);
        foreach (var job in _jobs.Values.Where(job => job.Phase == JobPhase.Running).ToList())
        {
            var needy = waiting.GetValueOrDefault(job.JobId) is { Elastic: false } && decisions.Any(one => one.JobId == job.JobId && one.Places.IsEmpty);
            if (memory.Needy.Note(job.JobId, needy, "", time) >= timing.HoldPatience
                && GangScheduler.YieldsTo(waiting[job.JobId], waiting.Values, capacities ??= [.. Assignments.Capacities(cluster)]) is { } other)
            {
                await ApplyAsync(job, new JobYields($"it has too few ranks, and job {other} waits for its slots"), cancellationToken);
            }
        }
    }

    private async Task LookForStragglersAsync(CancellationToken cancellationToken)
    {
        foreach (var job in _jobs.Values.Where(job => job is { Phase: JobPhase.Running, Plan.Members.Length: > 1 } && !_unreadableJobs.Contains(job.JobId)).ToList())
        {
            var slow = memory.Stragglers.Look(job.JobId, job.Generation, () => Stragglers.Find(Assignments.StepTimes(Cluster, job)), job.Slow, time);
            if (slow is { } members && !members.Select(member => member.Member).SequenceEqual(job.Slow.Select(member => member.Member)))
                await ApplyAsync(job, new JobStragglers(job.Generation, members), cancellationToken);
        }
    }

    /// <summary>Brings the corpora on that jobs wait for, and tells the jobs; tells whether a job has given slots back.</summary>
    private async Task<bool> PrepareAsync(CancellationToken cancellationToken)
    {
        var preparing = _jobs.Values.Where(job => job.Phase == JobPhase.Preparing).OrderBy(job => job.SubmittedAt).ToList();
        var byCorpus = new Dictionary<string, List<JobView>>(StringComparer.Ordinal);
        foreach (var job in preparing)
        {
            if (await CorpusOfAsync(job, cancellationToken) is not { } key)
                continue;
            if (!byCorpus.TryGetValue(key.CorpusId, out var jobs))
                byCorpus[key.CorpusId] = jobs = [];
            jobs.Add(job);
        }
        memory.Asked.IntersectWith(preparing.Select(job => job.CorpusAsker));
        foreach (var corpusId in memory.Corpora.Keys.Where(id => !byCorpus.ContainsKey(id)).ToList())
            memory.Corpora.Remove(corpusId);

        foreach (var (corpusId, jobs) in byCorpus)
            await PrepareAsync(corpusId, jobs, cancellationToken);
        return preparing.Any(job => _jobs[job.JobId].Placements.IsEmpty);
    }

    private async Task<CorpusKey?> CorpusOfAsync(JobView job, CancellationToken cancellationToken)
    {
        if (memory.CorpusKeys.TryGetValue(job.JobId, out var key))
            return key;
        try
        {
            return memory.CorpusKeys[job.JobId] = CorpusKey.Of(job.JobJson);
        }
        catch (FormatException exception)
        {
            await ApplyAsync(job, new JobCorpusFailed(exception.Message), cancellationToken);
            return null;
        }
    }

    private async Task PrepareAsync(string corpusId, List<JobView> jobs, CancellationToken cancellationToken)
    {
        CorpusView view;
        try
        {
            var grain = grains.GetGrain<ICorpusGrain>(corpusId);
            foreach (var job in jobs.Where(job => !memory.Asked.Contains(job.CorpusAsker)))
            {
                await grain.Ensure(job.CorpusAsker, memory.CorpusKeys[job.JobId].SettingsJson, cancellationToken);
                memory.Asked.Add(job.CorpusAsker);
            }
            var others = memory.Corpora.Where(corpus => corpus.Key != corpusId).SelectMany(corpus => corpus.Value.Leases).ToList();
            view = await grain.Advance(Assignments.Takers(Cluster, corpusId, others), cancellationToken);
            memory.Corpora[corpusId] = view;
        }
        catch (Exception exception) when (IsOneGrains(cancellationToken))
        {
            logger.LogWarning(exception, "Corpus {CorpusId} cannot be read now; it stays as it is", corpusId);
            _unreadableCorpora.Add(corpusId);
            return;
        }
        await Task.WhenAll(jobs.Where(job => !_unreadableJobs.Contains(job.JobId)).Select(job => TellAsync(job, corpusId, view, cancellationToken)).ToList());
    }

    private Task TellAsync(JobView job, string corpusId, CorpusView view, CancellationToken cancellationToken)
    {
        switch (view.For(job.CorpusAsker))
        {
            case CorpusOutcome.Ready:
                var (plan, totals) = (view.Ready!.Plan, view.Ready.Totals);
                return ApplyAsync(job, new JobCorpusReady(new JobCorpus(corpusId, plan.Fingerprint, plan.Folder), totals.Documents), cancellationToken);
            case CorpusOutcome.Failed:
                return ApplyAsync(job, new JobCorpusFailed(view.Error), cancellationToken);
            case CorpusOutcome.NotAsked:
                memory.Asked.Remove(job.CorpusAsker);
                break;
        }
        return Task.CompletedTask;
    }

    private async Task AssignAsync(CancellationToken cancellationToken)
    {
        var cluster = Cluster;
        var leases = memory.Corpora.Where(corpus => !_unreadableCorpora.Contains(corpus.Key)).SelectMany(corpus => corpus.Value.Leases).ToList();
        await Task.WhenAll(_workers.Values.Where(worker => worker.Reported).Select(worker => AssignAsync(cluster, worker, leases, cancellationToken)));
    }

    private async Task AssignAsync(ClusterView cluster, WorkerView worker, List<AssignedLease> leases, CancellationToken cancellationToken)
    {
        var derived = Assignments.Derive(cluster, worker, leases, _unreadableCorpora);
        // Revision 0: nothing was assigned since the coordinator started, and an agent may hold what is not asked for any more.
        if (derived is null || (worker.Assignment.Revision > 0 && Assignments.Same(worker.Assignment, derived)))
            return;
        try
        {
            memory.StaleWorkers.Add(worker.Identity.Name);
            await grains.GetGrain<IWorkerGrain>(worker.Identity.Name).Assign(derived, cancellationToken);
        }
        catch (Exception exception) when (IsOneGrains(cancellationToken))
        {
            logger.LogWarning(exception, "Worker {Worker} cannot be given its assignment now", worker.Identity.Name);
        }
    }

    private Task ApplyAsync(JobView job, JobEvent jobEvent, CancellationToken cancellationToken) =>
        ApplyAsync(job, () => Task.FromResult(jobEvent), cancellationToken);

    private async Task ApplyAsync(JobView job, Func<Task<JobEvent>> jobEvent, CancellationToken cancellationToken)
    {
        try
        {
            Remember(await grains.GetGrain<IJobGrain>(job.JobId).Apply(await jobEvent(), cancellationToken));
        }
        catch (Exception exception) when (IsOneGrains(cancellationToken))
        {
            logger.LogWarning(
                exception, "Job {JobId}, lineage {Lineage}, generation {Generation}, cannot be told how it stands now",
                job.JobId, job.Lineage, job.Generation);
            _unreadableJobs.Add(job.JobId);
            memory.Stale = true;
        }
    }

    private void Remember(JobView view)
    {
        _jobs[view.JobId] = view;
        memory.Jobs[view.JobId] = view;
    }

    // While the coordinator stops they fail because of that.
    private static bool IsOneGrains(CancellationToken cancellationToken) => !cancellationToken.IsCancellationRequested;
}
