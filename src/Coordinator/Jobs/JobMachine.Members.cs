using System.Collections.Immutable;

namespace Linformer.Coordinator.Jobs;

public static partial class JobMachine
{
    private static JobState Observe(JobState state, JobObserved observed, DateTimeOffset now)
    {
        var known = observed.CommittedStep > state.CommittedStep ? state with { CommittedStep = observed.CommittedStep } : state;
        observed = observed with { CommittedStep = known.CommittedStep };
        var next = known.View!.Phase == JobPhase.Preparing ? ObservePreparing(known, observed, now) : ObserveRunning(known, observed, now);
        // A step alone is no reason to write the state.
        return ReferenceEquals(next, known) ? state : next;
    }

    private static JobState ObservePreparing(JobState state, JobObserved observed, DateTimeOffset now)
    {
        var own = observed.Members.Where(member => state.View!.Placements.Any(placement => placement.Member == member.Member)).ToList();
        if (own.Find(member => member.IsGone || member.Leaving.Length > 0) is not { } gone)
            return state;
        var why = gone.IsGone ? WhyLost(gone) : gone.Leaving;
        return Requeue(state, now, "slots given back; queued again", why, TimeSpan.Zero);
    }

    private static JobState ObserveRunning(JobState state, JobObserved observed, DateTimeOffset now)
    {
        var view = state.View!;
        var gone = observed.Members
            .Where(member => view.Placements.Any(placement => placement.Member == member.Member) && IsGone(view, member))
            .ToImmutableArray();
        // Whoever has finished before it was lost has done all of the job.
        if (gone.IsEmpty || observed.Members.Any(member => member.Condition == MemberCondition.Finished && !IsBehind(view, member)))
            return Decide(state, observed, Loss.None, now);
        var loss = Loss.Of(view, gone);
        // A machine on which nothing starts is no reason to end a job whose ranks train elsewhere.
        var spare = view.Plan is not null && loss.Ranks == 0;
        var without = Count(state, loss, spare, now);
        without = without with
        {
            View = without.View! with
            {
                Placements = view.Placements.RemoveAll(placement => gone.Any(member => member.Member == placement.Member)),
                Slow = view.Slow.RemoveAll(slow => gone.Any(member => member.Member == slow.Member)),
            },
        };
        if (loss.Failure is { Permanent: true } && !spare && !gone.All(member => IsBehind(view, member)))
            return End(without, JobPhase.Failed, now, loss.Why);
        if (without.FailuresInRow > FailuresTriedAgain)
            return End(without, JobPhase.Failed, now, $"{without.FailuresInRow} failures in a row without a further step; the last: {loss.Why}");
        return Decide(without, observed, loss, now);
    }

    // What it has ended with is of a lineage that a person has gone back from meanwhile.
    private static bool IsBehind(JobView view, ObservedMember member) => member.Generation > 0 && member.Lineage < view.Lineage;

    // A member that was in no generation and has stopped by itself is of no use, and nobody else stops for it. Nor is one that has done
    // all of a lineage that does not count any more.
    private static bool IsGone(JobView view, ObservedMember member) =>
        member.IsGone || (member.Condition == MemberCondition.Finished && IsBehind(view, member)) || (member.Condition == MemberCondition.Stopped && !view.Stopping && view.Plan?.Members.Contains(member.Member) != true);

    /// <summary>Counts what was lost: failures without a further step, and how long replacements wait.</summary>
    private static JobState Count(JobState state, Loss loss, bool spare, DateTimeOffset now)
    {
        var further = state.CommittedStep > state.CommittedAtBadEnd;
        // What takes several ranks, such as a power cut, is told rank by rank.
        var one = further || !(now - state.LossCountedAt < OneEvent) ? 1 : 0;
        var counted = state with
        {
            CommittedAtBadEnd = state.CommittedStep,
            LossCountedAt = one > 0 ? now : state.LossCountedAt,
            BadEndsInRow = further ? 1 : state.BadEndsInRow + one,
            FailuresInRow = (further ? 0 : state.FailuresInRow) + (loss.Failure is null || spare ? 0 : one),
            BreaksInRow = further ? 0 : state.BreaksInRow,
            StartFailuresInRow = state.StartFailuresInRow + (loss is { Failure: not null, InGeneration: false } ? 1 : 0),
        };
        var delay = Delay(Math.Max(counted.BadEndsInRow, counted.StartFailuresInRow));
        return counted with
        {
            View = state.View! with
            {
                LastFailure = Bounded(loss.Last!),
                NotBefore = delay > TimeSpan.Zero ? now + delay : null,
            },
        };
    }

    /// <summary>0, 1, 2, 4 … seconds.</summary>
    private static TimeSpan Delay(int times) =>
        times <= 1 ? TimeSpan.Zero : TimeSpan.FromSeconds(Math.Min(Math.Pow(2, Math.Min(times - 2, 10)), LongestDelay.TotalSeconds));

    private static JobState Decide(JobState state, JobObserved observed, Loss loss, DateTimeOffset now)
    {
        var view = state.View!;
        switch (Membership.Decide(view, observed, now))
        {
            case Succeed success:
                // The last steps' numbers may still be on their way.
                var taken = JobSummary.Steps(success.Summary) ?? view.TotalSteps;
                var all = state with { View = view with { Summary = success.Summary }, CommittedStep = Math.Max(state.CommittedStep, taken) };
                return End(all, JobPhase.Succeeded, now, why: "");
            case Form { Broken: true } form:
                return FormAfterBreak(state, observed, form, now);
            case Form form:
                return StartGeneration(state, observed, form, loss, now);
            case GoBack back:
                return StartLineage(state, back, now);
            case StopAll stop:
                return StopMembers(state, view, Because(loss, stop.Reason), now);
            case Release release:
                var kept = view.Placements.RemoveAll(placement => release.Members.Contains(placement.Member));
                return Change(
                    state, view with { Placements = kept }, now, what: $"{Count(release.Members.Length, "rank")} let go", why: Because(loss, release.Reason));
            case Dissolve dissolve:
                return Dissolved(state, Because(loss, dissolve.Reason), loss, now);
            case Stay stay when !loss.IsNone:
                return Change(state, view with { Reason = stay.Reason }, now, loss.Who, loss.What(view), loss.Why);
            case Stay stay:
                return stay.Reason == view.Reason ? state : Change(state, view with { Reason = stay.Reason }, now);
            default:
                return state;
        }
    }

    private static JobState StartGeneration(JobState state, JobObserved observed, Form form, Loss loss, DateTimeOffset now)
    {
        var view = state.View!;
        var plan = new GenerationPlan
        {
            Lineage = view.Lineage,
            Generation = Math.Max(view.Generation, observed.RecordedGeneration) + 1,
            Members = form.Members,
            Source = form.Source,
            AtOnce = form.AtOnce,
            CommittedBefore = state.CommittedStep,
            CutBefore = !view.SharesState || view.Plan is not { } before ? [] : before.IsCut(observed) || before.CutBefore.IsEmpty ? before.Members : before.CutBefore,
        };
        var started = view with
        {
            Generation = plan.Generation,
            WorldSize = plan.Members.Length,
            Plan = plan,
            RegroupAt = null,
            Reason = view.Stopping ? view.Reason : "",
        };
        // Somebody new got as far as a generation.
        var fresh = view.Plan is { } last && plan.Members.Any(member => !last.Members.Contains(member)) ? state with { StartFailuresInRow = 0 } : state;
        return Change(
            fresh, started, now, loss.Who, $"generation {plan.Generation} started with {Count(plan.Members.Length, "rank")}", Because(loss, form.Reason));
    }

    private static JobState FormAfterBreak(JobState state, JobObserved observed, Form form, DateTimeOffset now)
    {
        var view = state.View!;
        if (view.RegroupAt is not null)
            return StartGeneration(state, observed, form, Loss.None, now);
        var further = state.CommittedStep > state.CommittedAtBadEnd;
        var counted = state with
        {
            CommittedAtBadEnd = state.CommittedStep,
            BreaksInRow = further ? 1 : state.BreaksInRow + 1,
            FailuresInRow = further ? 0 : state.FailuresInRow,
            BadEndsInRow = further ? 0 : state.BadEndsInRow,
            View = view with { LastFailure = Broken(view, observed) ?? view.LastFailure },
        };
        if (counted.BreaksInRow > BreaksTriedAgain)
        {
            return End(
                counted, JobPhase.Failed, now, $"{counted.BreaksInRow} generations in a row broke without a further step; the last: {form.Reason}");
        }
        var delay = Delay(counted.BreaksInRow);
        if (delay == TimeSpan.Zero)
            return StartGeneration(counted, observed, form, Loss.None, now);
        var waiting = counted.View! with { RegroupAt = now + delay, Reason = $"{form.Reason}; tried again in {delay.TotalSeconds} s" };
        return Change(counted, waiting, now);
    }

    private static FailedRank? Broken(JobView view, JobObserved observed)
    {
        var members = observed.Members.Where(member => member.Broken.Length > 0 && member.Generation == view.Generation).ToList();
        return members.Count == 0 ? null : Bounded(new FailedRank(
            view.Generation, view.Plan?.RankOf(members[0].Member) ?? -1, members[0].Worker, ExitCode: 0, Signal: "", members[0].Broken, [],
            Permanent: false, PeerLost: true, members[0].Member, members[0].AppliedStep + 1));
    }

    /// <summary>
    /// The lineage alone: its first generation forms with the next look, when this is written. So storage never has a lineage that the
    /// job does not know of, whenever the coordinator is killed.
    /// </summary>
    private static JobState StartLineage(JobState state, GoBack back, DateTimeOffset now)
    {
        var view = state.View!;
        // What a person chose is the person's business, and a new beginning.
        var returns = view.Lineages.Reverse().TakeWhile(change => !change.IsChosen).Count();
        if (returns >= MostLineages)
            return End(state, JobPhase.Failed, now, $"it went back {returns} times for a bad loss, and step {back.BadStep} has one again: {back.Reason}");
        var started = view with
        {
            Lineage = view.Lineage + 1,
            Lineages = view.Lineages.Add(new LineageChange(back.BadStep - 1, back.BadStep, back.Reason)),
            Plan = null,
            RegroupAt = null,
            Reason = $"goes back: {back.Reason}",
        };
        var changed = Change(
            state, started, now, what: $"lineage {started.Lineage} started: back to the newest checkpoint before step {back.BadStep}", why: $"{back.Reason}; step {back.BadStep} is left out");
        // Nothing of the new lineage is committed yet.
        return changed with { CommittedStep = 0, CommittedAtBadEnd = 0 };
    }

    private static JobState StopMembers(JobState state, JobView view, string why, DateTimeOffset now) =>
        Change(state, view with { Stopping = true, Reason = why }, now, what: $"generation {view.Generation} is to stop", why: why);

    private static JobState Dissolved(JobState state, string why, Loss loss, DateTimeOffset now)
    {
        var view = state.View!;
        if (view.Wish == JobWish.Pause)
            return Paused(state, now, loss.IsNone ? "" : loss.Why);
        var what = view.Stopping ? $"generation {view.Generation} stopped; queued again" : "no rank is left that can go on; queued again";
        return Requeue(state, now, what, why, view.NotBefore > now ? view.NotBefore.Value - now : TimeSpan.Zero, loss.Who);
    }

    private static JobState Requeue(
        JobState state, DateTimeOffset now, string what, string why, TimeSpan delay, string who = Coordinator)
    {
        var queued = WithoutMembers(state.View!) with { Phase = JobPhase.Queued, Reason = why, NotBefore = delay > TimeSpan.Zero ? now + delay : null };
        return Change(state, queued, now, who, what, why);
    }

    private static JobState Paused(JobState state, DateTimeOffset now, string why)
    {
        var paused = WithoutMembers(state.View!) with { Phase = JobPhase.Paused, Reason = why.Length == 0 ? "paused" : $"paused; {why}" };
        return Change(state, paused, now, what: "paused", why: why);
    }

    private static FailedRank Bounded(FailedRank failure) => failure with
    {
        Reason = Cut(failure.Reason, KeptReasonLength),
        LastLogLines = failure.LastLogLines.IsDefault ? [] : [.. failure.LastLogLines.TakeLast(KeptLogLines).Select(line => Cut(line, KeptLineLength))],
    };

    private static string Because(Loss loss, string reason) => loss.IsNone ? reason : loss.Why;

    private static string WhyLost(ObservedMember member) => member.Why.Length > 0 ? member.Why : $"worker {member.Worker} is lost";

    private static string Cut(string text, int length) => text.Length <= length ? text : text[..(length - 1)] + "…";

    private static string Describe(FailedRank failure)
    {
        var who = failure.Rank >= 0 ? $"rank {failure.Rank}" : "a rank that got ready";
        var text = $"{who} on worker {failure.Worker} {failure.Reason.TrimEnd('.')}";
        if (failure.Signal.Length > 0)
            return text.Contains(failure.Signal, StringComparison.Ordinal) ? text : $"{text} ({failure.Signal})";
        return failure.ExitCode == 0 || text.Contains("exit code", StringComparison.Ordinal) ? text : $"{text} (exit code {failure.ExitCode})";
    }

    /// <summary>Members that are gone, with the cause.</summary>
    /// <param name="Failure">The failure that is the cause; null when workers were lost.</param>
    /// <param name="Last">What is kept of it for people.</param>
    /// <param name="InGeneration">Whether the cause was a rank of the newest generation.</param>
    /// <param name="Ranks">How many of those that are gone were.</param>
    /// <param name="Why">The cause in words.</param>
    private sealed record Loss(FailedRank? Failure, FailedRank? Last, bool InGeneration, int Ranks, string Why)
    {
        public static readonly Loss None = new(null, null, InGeneration: false, 0, "");

        public bool IsNone => Why.Length == 0;

        public string Who => Failure is { } failure ? $"worker:{failure.Worker}" : Coordinator;

        public static Loss Of(JobView view, ImmutableArray<ObservedMember> gone)
        {
            var ranks = gone.Count(member => view.Plan?.Members.Contains(member.Member) == true);
            var failures = gone.Where(member => member.Condition == MemberCondition.Failed).Select(member => FailureOf(view, member)).ToList();
            var cause = failures.Find(failure => failure is { PeerLost: false, Permanent: true })
                ?? failures.Find(failure => !failure.PeerLost)
                ?? (gone.Any(member => member.Condition == MemberCondition.Lost) ? null : failures.FirstOrDefault());
            if (cause is not null)
                return new Loss(cause, cause, view.Plan?.Members.Contains(cause.Member) == true, ranks, Describe(cause));
            var lost = gone.FirstOrDefault(member => member.Condition == MemberCondition.Lost) ?? gone[0];
            var why = lost.Condition == MemberCondition.Lost ? WhyLost(lost) : $"a rank on worker {lost.Worker} stopped by itself";
            return new Loss(null, FailureOf(view, lost with { Failure = Bare(lost.Worker, $"is gone: {why}") }), ranks > 0, ranks, why);
        }

        public string What(JobView view) => Ranks > 0 ? $"generation {view.Generation} lost {Count(Ranks, "rank")}" : "a rank that got ready is gone";

        // As the coordinator numbers it, whatever its worker says.
        private static FailedRank FailureOf(JobView view, ObservedMember member)
        {
            var failure = member.Failure ?? Bare(member.Worker, "failed; its worker does not say how");
            var rank = view.Plan?.RankOf(member.Member) ?? -1;
            return failure with
            {
                Member = member.Member,
                Worker = member.Worker,
                Generation = rank >= 0 ? view.Generation : member.Generation,
                Rank = rank,
                Step = failure.Step > 0 ? failure.Step : rank >= 0 && member.AppliedStep > 0 ? member.AppliedStep + 1 : 0,
            };
        }

        private static FailedRank Bare(string worker, string reason) =>
            new(0, 0, worker, ExitCode: 0, Signal: "", reason, [], Permanent: false, PeerLost: false);
    }
}
