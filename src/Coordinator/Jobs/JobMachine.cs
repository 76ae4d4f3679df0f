using Linformer.Protocol;

namespace Linformer.Coordinator.Jobs;

/// <summary>
/// All rules of a job's states, as pure functions. Each returns the state afterwards with its new history entries in the outbox,
/// or the very state that it was given when nothing changes.
/// </summary>
public static partial class JobMachine
{
    /// <summary>Who the history names for the coordinator's own doings.</summary>
    public const string Coordinator = "coordinator";

    /// <summary>A new job. A job file that this version cannot read makes a job that has failed.</summary>
    /// <param name="state">
    /// The state before; a job that exists already stays as it is, unless it runs by the rules of an earlier version: then it is queued again.
    /// </param>
    /// <param name="submission">The job.</param>
    /// <param name="now">The time.</param>
    public static JobState Create(JobState state, JobSubmission submission, DateTimeOffset now)
    {
        if (state.View is not null)
            return IsOfEarlierVersion(state.View) ? Requeue(state, now, "queued again", "the coordinator is of a newer version", TimeSpan.Zero) : state;
        var parsed = JobFileParser.Parse(submission.JobJson, submission.Name, cuda: true);
        var view = new JobView
        {
            JobId = submission.JobId,
            Name = submission.Name,
            Phase = JobPhase.Queued,
            JobJson = submission.JobJson,
            Submitter = submission.Submitter,
            SubmittedAt = submission.SubmittedAt,
        };
        if (parsed.Job is not { } job)
        {
            var errors = string.Join("; ", parsed.Errors);
            return End(Change(state, view, now, submission.Submitter, "submitted"), JobPhase.Failed, now, $"its job file cannot be read: {errors}");
        }
        // A rank without a micro-batch would have nothing to do.
        var mostRanks = Math.Max(1, job.Training.MicroBatches);
        view = view with
        {
            Priority = job.Priority,
            RanksMin = job.Ranks.Min,
            RanksMax = Math.Max(job.Ranks.Min, Math.Min(job.Ranks.Max, mostRanks)),
            Threads = job.Ranks.Threads,
            Device = job.Device switch
            {
                DeviceKind.Cpu => "cpu",
                DeviceKind.Cuda => "cuda",
                _ => "",
            },
            TotalSteps = job.Training.Steps,
            WithoutCorpus = !job.HasCorpus,
            IsPlugin = job.Task == JobTask.Plugin,
            SharesState = job.Training.ShardOptimizer,
        };
        return Change(state, view, now, submission.Submitter, "submitted");
    }

    /// <summary>
    /// A person wants a pause: at once without ranks, otherwise when they have stopped. A job that is paused or pausing stays so: a
    /// call whose answer was lost is made again.
    /// </summary>
    /// <exception cref="JobChangeException">The job has ended.</exception>
    public static JobState Pause(JobState state, JobChange change, DateTimeOffset now)
    {
        var view = Unended(state, "paused");
        if (view.Wish == JobWish.Pause)
            return state;
        if (view is { Phase: JobPhase.Running, Plan: not null })
        {
            var pausing = view with { Wish = JobWish.Pause, Stopping = true, Reason = "pausing: its ranks write a checkpoint and stop" };
            return Change(state, pausing, now, change.Who, "pause asked for", change.Why);
        }
        var paused = view with { Phase = JobPhase.Paused, Wish = JobWish.Pause, Reason = Because("paused", change) };
        return Change(state, WithoutMembers(paused), now, change.Who, "paused", change.Why);
    }

    /// <summary>
    /// A person wants the paused job to go on: it queues again, and its corpus is checked. One that goes on already stays as it is: a
    /// call whose answer was lost is made again.
    /// </summary>
    /// <exception cref="JobChangeException">The job has ended, or its ranks have not stopped yet.</exception>
    public static JobState Resume(JobState state, JobChange change, DateTimeOffset now)
    {
        var view = Unended(state, "resumed");
        if (view.Phase != JobPhase.Paused)
        {
            return view.Wish == JobWish.Pause
                ? throw new JobChangeException($"Job {view.JobId} is still pausing; it can be resumed once it is paused.")
                : state;
        }
        var resumed = view with { Phase = JobPhase.Queued, Wish = JobWish.Train, Reason = "" };
        var fresh = state with
        {
            CorpusToCheck = true,
            FailuresInRow = 0,
            BadEndsInRow = 0,
            StartFailuresInRow = 0,
            BreaksInRow = 0,
            CommittedAtBadEnd = state.CommittedStep,
        };
        return Change(fresh, resumed, now, change.Who, "resumed", change.Why);
    }

    /// <summary>A person ends the job, at once. One that is cancelled stays so: a call whose answer was lost is made again.</summary>
    /// <exception cref="JobChangeException">The job has ended otherwise.</exception>
    public static JobState Cancel(JobState state, JobChange change, DateTimeOffset now)
    {
        if (state.View?.Phase == JobPhase.Cancelled)
            return state;
        Unended(state, "cancelled");
        return End(state, JobPhase.Cancelled, now, change.Why, change.Who);
    }

    private static JobView Unended(JobState state, string wanted)
    {
        var view = state.View ?? throw new JobChangeException("There is no such job.");
        return view.HasEnded
            ? throw new JobChangeException($"Job {view.JobId} {Is(view.Phase)}; only a job that has not ended can be {wanted}.")
            : view;
    }

    private static string Is(JobPhase phase) => phase switch
    {
        JobPhase.Preparing => "is being prepared",
        JobPhase.Succeeded => "has succeeded",
        JobPhase.Failed => "has failed",
        JobPhase.Cancelled => "was cancelled",
        _ => "is " + Word(phase),
    };

    private static string Word(JobPhase phase) => phase.ToString().ToLowerInvariant();

    private static string Because(string what, JobChange change) =>
        change.Why.Length == 0 ? $"{what} by {change.Who}" : $"{what} by {change.Who}: {change.Why}";

    private static JobState End(JobState state, JobPhase phase, DateTimeOffset now, string why, string who = Coordinator)
    {
        var view = state.View! with { Phase = phase, Reason = why, EndedAt = now, Wish = JobWish.Train };
        return Change(state, WithoutMembers(view), now, who, Word(phase), why);
    }

    private static JobView WithoutMembers(JobView view) =>
        view with { Placements = [], Plan = null, NotBefore = null, RegroupAt = null, Stopping = false, Slow = [] };

    // Its ranks had no numbers.
    private static bool IsOfEarlierVersion(JobView view) =>
        view.Phase is JobPhase.Preparing or JobPhase.Running && view.Placements.Any(placement => placement.Member < 1);

    /// <summary>Takes a changed view over, with an entry in the history unless there is nothing to tell.</summary>
    private static JobState Change(JobState state, JobView view, DateTimeOffset now, string who = Coordinator, string what = "", string why = "")
    {
        var changed = state with { View = view with { Revision = (state.View?.Revision ?? 0) + 1 } };
        if (what.Length == 0)
            return changed;
        var entry = new JobHistoryEntry(
            state.HistorySequence + 1, now, who, what, why, view.Phase, view.Lineage, view.Generation, state.CommittedStep);
        return changed with { HistorySequence = entry.Sequence, Outbox = state.Outbox.Add(entry) };
    }
}
