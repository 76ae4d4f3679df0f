using System.Collections.Immutable;

namespace Linformer.Coordinator.Jobs;

public static partial class JobMachine
{
    /// <summary>So many failures in a row without a further committed step are tried again.</summary>
    public const int FailuresTriedAgain = 3;

    private const int KeptLogLines = 20;
    private const int KeptLineLength = 500;
    private const int KeptReasonLength = 2000;
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);

    /// <summary>Takes what the scheduler has decided or seen. What no longer fits the job's state changes nothing.</summary>
    /// <exception cref="ArgumentException">A placement that the job cannot have.</exception>
    public static JobState Apply(JobState state, JobEvent jobEvent, DateTimeOffset now) => (state.View, jobEvent) switch
    {
        ({ Phase: JobPhase.Queued } view, JobWaits waits) => view.Reason == waits.Reason
            ? state
            : Change(state, view with { Reason = waits.Reason }, now),
        ({ Phase: JobPhase.Queued } view, JobPlaced placed) when !(view.NotBefore > now) => Place(state, view, placed.Placements, now),
        ({ Phase: JobPhase.Preparing } view, JobCorpusReady ready) => TakeCorpus(state, view, ready.Corpus, now),
        ({ Phase: JobPhase.Preparing }, JobCorpusFailed failed) => End(state, JobPhase.Failed, now, $"its corpus cannot be prepared: {failed.Reason}"),
        ({ Phase: JobPhase.Preparing or JobPhase.Running } view, JobObserved observed)
            when observed.Lineage == view.Lineage && observed.Generation == view.Generation => Observe(state, observed, now),
        _ => state,
    };

    private static JobState Place(JobState state, JobView view, ImmutableArray<Placement> placements, DateTimeOffset now)
    {
        CheckPlacements(view, placements);
        var placed = view with { Placements = placements, NotBefore = null };
        if (view.Corpus is not null && !state.CorpusToCheck)
            return StartGeneration(state, placed, now);
        var preparing = placed with { Phase = JobPhase.Preparing, Preparations = view.Preparations + 1, Reason = "its corpus is being prepared" };
        return Change(state, preparing, now, what: $"got {Count(placements.Length, "slot")} on {Workers(placements)}");
    }

    private static void CheckPlacements(JobView view, ImmutableArray<Placement> placements)
    {
        var ranks = placements.Select(placement => placement.Rank).Order();
        var slots = placements.Select(placement => (placement.Worker, placement.Slot)).Distinct().Count();
        if (placements.Length < view.RanksMin || placements.Length > view.RanksMax || slots != placements.Length
            || !ranks.SequenceEqual(Enumerable.Range(0, placements.Length)))
        {
            throw new ArgumentException(
                $"Job {view.JobId} cannot have these {placements.Length} placements; allowed are {view.RanksMin} to {view.RanksMax} ranks, "
                + "numbered from 0 on, each on a slot of its own.",
                nameof(placements));
        }
    }

    private static JobState TakeCorpus(JobState state, JobView view, JobCorpus corpus, DateTimeOffset now)
    {
        if (view is { Generation: > 0, Corpus: { } before } && before.Fingerprint != corpus.Fingerprint)
        {
            return End(
                state,
                JobPhase.Failed,
                now,
                $"The corpus is not what it was when training began: its fingerprint was {before.Fingerprint} and is now {corpus.Fingerprint}. "
                + "Put its files back as they were and submit the job again, or submit a new job for the new corpus.");
        }
        return StartGeneration(state with { CorpusToCheck = false }, view with { Corpus = corpus }, now);
    }

    private static JobState StartGeneration(JobState state, JobView view, DateTimeOffset now)
    {
        var running = view with
        {
            Phase = JobPhase.Running,
            Reason = "",
            Generation = view.Generation + 1,
            WorldSize = view.Placements.Length,
            GenerationStartedAt = now,
            StartedAt = view.StartedAt ?? now,
            CommittedBefore = state.CommittedStep,
            Stopping = false,
        };
        var what = $"generation {running.Generation} started with {Count(running.WorldSize, "rank")}";
        return Change(state, running, now, what: what, why: $"on {Workers(running.Placements)}");
    }

    private static JobState Observe(JobState state, JobObserved observed, DateTimeOffset now)
    {
        var known = observed.CommittedStep > state.CommittedStep ? state with { CommittedStep = observed.CommittedStep } : state;
        var view = known.View!;
        var groups = view.Placements
            .GroupBy(placement => placement.Worker, StringComparer.Ordinal)
            .Select(ranks => observed.Groups.FirstOrDefault(group => group.Worker == ranks.Key)
                ?? new ObservedGroup(ranks.Key, GroupCondition.Pending, [], Summary: null))
            .ToImmutableArray();
        var next = view.Phase == JobPhase.Preparing ? ObservePreparing(known, groups, now) : ObserveRunning(known, groups, now);
        // A step alone is no reason to write the state.
        return ReferenceEquals(next, known) ? state : next;
    }

    private static JobState ObservePreparing(JobState state, ImmutableArray<ObservedGroup> groups, DateTimeOffset now)
    {
        if (groups.FirstOrDefault(group => group.Condition is not (GroupCondition.Pending or GroupCondition.Alive)) is not { } gone)
            return state;
        var why = gone.Condition == GroupCondition.Lost ? Cause(gone, "is lost") : Cause(gone, "leaves");
        return Requeue(state, now, "slots given back; queued again", why, TimeSpan.Zero);
    }

    private static JobState ObserveRunning(JobState state, ImmutableArray<ObservedGroup> groups, DateTimeOffset now)
    {
        var view = state.View!;
        var first = view.Placements.First(placement => placement.Rank == 0).Worker;
        if (groups.First(group => group.Worker == first) is { Condition: GroupCondition.Finished } finished)
        {
            // The last steps' numbers may still be on their way.
            var all = state with { View = view with { Summary = finished.Summary }, CommittedStep = Math.Max(state.CommittedStep, view.TotalSteps) };
            return End(all, JobPhase.Succeeded, now, why: "");
        }
        if (groups.Any(group => group.Condition is GroupCondition.Failed or GroupCondition.Lost))
            return EndBadly(state, groups, now);
        if (groups.All(group => group.Condition is GroupCondition.Finished or GroupCondition.Stopped))
        {
            var why = view.Stopping ? view.Reason : groups.FirstOrDefault(group => group.Why.Length > 0)?.Why ?? "its ranks stopped by themselves";
            return view.Wish == JobWish.Pause
                ? Paused(state, now, why: "")
                : Requeue(state, now, $"generation {view.Generation} stopped; queued again", why, TimeSpan.Zero);
        }
        var leaving = groups.FirstOrDefault(group => group.Condition is GroupCondition.Leaving or GroupCondition.Stopped);
        if (leaving is null || view.Stopping)
            return state;
        var reason = leaving switch
        {
            { Why.Length: > 0 } => leaving.Why,
            { Condition: GroupCondition.Leaving } => $"worker {leaving.Worker} leaves",
            _ => $"the ranks on worker {leaving.Worker} stopped",
        };
        return Change(state, view with { Stopping = true, Reason = reason }, now, what: $"generation {view.Generation} is to stop", why: reason);
    }

    private static JobState EndBadly(JobState state, ImmutableArray<ObservedGroup> groups, DateTimeOffset now)
    {
        var further = state.CommittedStep > state.CommittedAtBadEnd;
        var counted = state with
        {
            BadEndsInRow = further ? 1 : state.BadEndsInRow + 1,
            FailuresInRow = further ? 0 : state.FailuresInRow,
            CommittedAtBadEnd = state.CommittedStep,
        };
        var failures = groups.SelectMany(group => group.Failures).ToList();
        var cause = failures.FirstOrDefault(failure => failure is { PeerLost: false, Permanent: true }) ?? failures.Find(failure => !failure.PeerLost);
        var lost = groups.FirstOrDefault(group => group.Condition == GroupCondition.Lost);
        if (cause is null && lost is not null)
            return GoOn(counted, now, Coordinator, Cause(lost, "is lost"));

        cause = Bounded(cause ?? failures.FirstOrDefault() ?? Unexplained(state.View!, groups));
        var failed = counted with { FailuresInRow = counted.FailuresInRow + 1, View = state.View! with { LastFailure = cause } };
        var why = Describe(cause);
        if (cause.Permanent)
            return End(failed, JobPhase.Failed, now, why);
        return failed.FailuresInRow > FailuresTriedAgain
            ? End(failed, JobPhase.Failed, now, $"{failed.FailuresInRow} failures in a row without a further step; the last: {why}")
            : GoOn(failed, now, $"worker:{cause.Worker}", why);
    }

    private static JobState GoOn(JobState state, DateTimeOffset now, string who, string why)
    {
        if (state.View!.Wish == JobWish.Pause)
            return Paused(state, now, why);
        // 0, 1, 2, 4 … seconds.
        var seconds = state.BadEndsInRow <= 1 ? 0 : Math.Pow(2, Math.Min(state.BadEndsInRow - 2, 10));
        var delay = TimeSpan.FromSeconds(Math.Min(seconds, LongestDelay.TotalSeconds));
        return Requeue(state, now, $"generation {state.View.Generation} ended; queued again", why, delay, who);
    }

    private static JobState Requeue(
        JobState state, DateTimeOffset now, string what, string why, TimeSpan delay, string who = Coordinator)
    {
        var view = state.View! with
        {
            Phase = JobPhase.Queued,
            Reason = why,
            Placements = [],
            Stopping = false,
            NotBefore = delay > TimeSpan.Zero ? now + delay : null,
        };
        return Change(state, view, now, who, what, why);
    }

    private static JobState Paused(JobState state, DateTimeOffset now, string why)
    {
        var view = state.View! with { Phase = JobPhase.Paused, Reason = why.Length == 0 ? "paused" : $"paused; {why}", Placements = [], Stopping = false };
        return Change(state, view, now, what: "paused", why: why);
    }

    private static FailedRank Unexplained(JobView view, ImmutableArray<ObservedGroup> groups)
    {
        var worker = groups.First(group => group.Condition == GroupCondition.Failed).Worker;
        var rank = view.Placements.First(placement => placement.Worker == worker).Rank;
        return new FailedRank(view.Generation, rank, worker, ExitCode: 0, Signal: "", "failed; its worker does not say how", [], Permanent: false, PeerLost: false);
    }

    private static FailedRank Bounded(FailedRank failure) => failure with
    {
        Reason = Cut(failure.Reason, KeptReasonLength),
        LastLogLines = failure.LastLogLines.IsDefault ? [] : [.. failure.LastLogLines.TakeLast(KeptLogLines).Select(line => Cut(line, KeptLineLength))],
    };

    private static string Cause(ObservedGroup group, string otherwise) => group.Why.Length > 0 ? group.Why : $"worker {group.Worker} {otherwise}";

    private static string Cut(string text, int length) => text.Length <= length ? text : text[..(length - 1)] + "…";

    private static string Describe(FailedRank failure)
    {
        var text = $"rank {failure.Rank} on worker {failure.Worker} {failure.Reason.TrimEnd('.')}";
        if (failure.Signal.Length > 0)
            return text.Contains(failure.Signal, StringComparison.Ordinal) ? text : $"{text} ({failure.Signal})";
        return failure.ExitCode == 0 || text.Contains("exit code", StringComparison.Ordinal) ? text : $"{text} (exit code {failure.ExitCode})";
    }

    private static string Count(int count, string noun) => count == 1 ? $"1 {noun}" : $"{count} {noun}s";

    private static string Workers(ImmutableArray<Placement> placements) =>
        string.Join(", ", placements.Select(placement => placement.Worker).Distinct(StringComparer.Ordinal));
}
