namespace Linformer.Coordinator.Jobs;

public static partial class JobMachine
{
    /// <summary>
    /// A person wants the job deleted: from now on nothing else happens with it. Asked for again, as for a deletion that was cut off, it
    /// only takes over what is wished of the model.
    /// </summary>
    /// <exception cref="JobChangeException">The job has not ended.</exception>
    public static JobState Delete(JobState state, JobDeletion deletion, JobChange change, DateTimeOffset now)
    {
        var view = state.View ?? throw new JobChangeException("There is no such job.");
        if (!view.HasEnded)
            throw new JobChangeException($"Job {view.JobId} {Is(view.Phase)}; only a job that has ended can be deleted. Cancel it first.");
        if (view.Deletion == deletion)
            return state;
        var deleting = view with { Deletion = deletion, Reason = "is being deleted" };
        return view.Deletion is null
            ? Change(state, deleting, now, change.Who, deletion.KeepModel ? "deleted; its model stays" : "deleted", change.Why)
            : Change(state, deleting, now);
    }
}
