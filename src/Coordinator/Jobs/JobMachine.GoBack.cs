using System.Globalization;

namespace Linformer.Coordinator.Jobs;

public static partial class JobMachine
{
    // A call whose answer was lost is made again within this time, by the command line and by people.
    private static readonly TimeSpan AskedAgainWithin = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Whether a job went back just so a moment ago: the newest lineage began with this wish, and has committed nothing yet or is not a
    /// minute old. Then the wish is that of a call whose answer was lost.
    /// </summary>
    public static bool HasGoneBack(JobState state, JobGoBack wish, DateTimeOffset now) =>
        state.View is { HasEnded: false, Phase: not JobPhase.Paused, Lineages: [.., { At: { } at } newest] }
        && newest.Checkpoint == wish.Checkpoint && newest.Skipped == wish.SkipSteps && newest.Who == wish.Change.Who && newest.Reason == wish.Change.Why
        && (state.CommittedStep == 0 || now - at < AskedAgainWithin);

    /// <summary>
    /// A person takes the job back to a checkpoint: the next lineage begins there. Ranks that train join its first generation; those that
    /// are on their way to a stop end at once, since nothing that they hold counts any more. A job without ranks is queued. One that
    /// went back so a moment ago stays as it is.
    /// </summary>
    /// <exception cref="JobChangeException">The job has succeeded, or the checkpoint does not count for it, or too much is to be left out.</exception>
    public static JobState GoBack(JobState state, JobGoBack wish, DateTimeOffset now)
    {
        var view = state.View ?? throw new JobChangeException("There is no such job.");
        if (HasGoneBack(state, wish, now))
            return state;
        view = WithoutVoidLimit(state);
        CheckGoBack(view, wish);
        var started = view with
        {
            Lineage = view.Lineage + 1,
            Lineages = view.Lineages.Add(
                new LineageChange(wish.Step, wish.Step + 1, wish.Change.Why, wish.Checkpoint, wish.SkipSteps, wish.Change.Who, now)),
            Plan = null,
            RegroupAt = null,
            NotBefore = null,
            EndedAt = null,
            Wish = JobWish.Train,
            Reason = $"goes back to checkpoint {wish.Checkpoint}",
        };
        var stays = view.Phase == JobPhase.Preparing || (view is { Phase: JobPhase.Running, Stopping: false } && !view.Placements.IsEmpty);
        if (!stays)
            started = WithoutMembers(started) with { Phase = JobPhase.Queued };
        var what = string.Create(
            CultureInfo.InvariantCulture,
            $"lineage {started.Lineage} started: back to checkpoint {wish.Checkpoint}{(wish.SkipSteps == 0 ? "" : $", {SkippedText(wish)} left out")}");
        var changed = Change(state, started, now, wish.Change.Who, what, wish.Change.Why);
        return changed with
        {
            // Nothing of the new lineage is committed yet, and what failed in the old one is no reason to give up on it.
            CommittedStep = 0,
            CommittedAtBadEnd = 0,
            FailuresInRow = 0,
            BadEndsInRow = 0,
            StartFailuresInRow = 0,
            BreaksInRow = 0,
            // Files may have changed while it did not run.
            CorpusToCheck = state.CorpusToCheck || view.Phase == JobPhase.Paused || view.HasEnded,
        };
    }

    // A job that has ended without a step of the lineage that a person has begun, as when its checkpoint was deleted meanwhile, may go back
    // to any checkpoint that counted before: that choice has replaced nothing.
    private static JobView WithoutVoidLimit(JobState state)
    {
        var view = state.View!;
        return view is { HasEnded: true, Lineages: [.., { IsChosen: true } choice] } && state.CommittedStep == 0
            ? view with { Lineages = view.Lineages.SetItem(view.Lineages.Length - 1, choice with { KeptStep = Math.Max(choice.KeptStep, view.TotalSteps), Skipped = 0 }) }
            : view;
    }

    private static void CheckGoBack(JobView view, JobGoBack wish)
    {
        if (view.Deletion is not null)
            throw new JobChangeException($"Job {view.JobId} is being deleted.");
        if (view.Phase == JobPhase.Succeeded)
            throw new JobChangeException($"Job {view.JobId} has succeeded; only a job that has not can go back. Submit a new one with initializeFrom to train its model further.");
        if (view.RanksMin < 1)
            throw new JobChangeException($"Job {view.JobId} has a job file that this coordinator cannot read, so it cannot go on.");
        if (wish.Lineage > view.Lineage)
            throw new JobChangeException($"Checkpoint {wish.Checkpoint} is of lineage {wish.Lineage}, which job {view.JobId} has not begun; its newest is {view.Lineage}.");
        var limit = LineageChange.CountsUpTo(view.Lineages, wish.Lineage);
        if (wish.Step > limit)
        {
            throw new JobChangeException(
                $"Checkpoint {wish.Checkpoint} does not count any more: training went back since, and of lineage {wish.Lineage} only the steps up to {limit} were kept.");
        }
        if (wish.SkipSteps > 0 && wish.Step + wish.SkipSteps >= view.TotalSteps)
        {
            throw new JobChangeException(
                $"skip_steps is {wish.SkipSteps}; job {view.JobId} has {view.TotalSteps - wish.Step} steps after checkpoint {wish.Checkpoint}, and at least one of them has to be taken.");
        }
    }

    private static string SkippedText(JobGoBack wish) => wish.SkipSteps == 1
        ? string.Create(CultureInfo.InvariantCulture, $"step {wish.Step + 1} is")
        : string.Create(CultureInfo.InvariantCulture, $"steps {wish.Step + 1} to {wish.Step + wish.SkipSteps} are");
}
