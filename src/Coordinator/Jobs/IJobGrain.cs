namespace Linformer.Coordinator.Jobs;

/// <summary>A job, by its id. It decides nothing itself: <see cref="JobMachine"/> does. It calls no other grain.</summary>
[Alias("linformer.job")]
public interface IJobGrain : IGrainWithStringKey
{
    /// <summary>Queues the job; when it exists already, only tells how it stands.</summary>
    [Alias("create")]
    Task<JobView> Create(JobSubmission submission, CancellationToken cancellationToken);

    /// <summary>How the job stands; null when there is none of this id.</summary>
    [Alias("get")]
    Task<JobView?> Get(CancellationToken cancellationToken);

    /// <summary>A person wants a pause.</summary>
    /// <exception cref="JobChangeException">The job has ended.</exception>
    [Alias("pause")]
    Task<JobView> Pause(JobChange change, CancellationToken cancellationToken);

    /// <summary>A person wants the paused job to go on.</summary>
    /// <exception cref="JobChangeException">The job is not paused.</exception>
    [Alias("resume")]
    Task<JobView> Resume(JobChange change, CancellationToken cancellationToken);

    /// <summary>A person ends the job.</summary>
    /// <exception cref="JobChangeException">The job has ended.</exception>
    [Alias("cancel")]
    Task<JobView> Cancel(JobChange change, CancellationToken cancellationToken);

    /// <summary>A person takes the job back to a checkpoint.</summary>
    /// <returns>The job, and whether it had gone back so a moment ago.</returns>
    /// <exception cref="JobChangeException">The job or the checkpoint does not allow it.</exception>
    [Alias("go-back")]
    Task<GoneBack> GoBack(JobGoBack wish, CancellationToken cancellationToken);

    /// <summary>The job is being deleted: nothing else happens with it from now on.</summary>
    /// <exception cref="JobChangeException">The job has not ended, or there is none.</exception>
    [Alias("delete")]
    Task<JobView> Delete(JobDeletion deletion, JobChange change, CancellationToken cancellationToken);

    /// <summary>All else of the job is deleted: its state goes, too. Without one nothing happens.</summary>
    [Alias("forget")]
    Task Forget(CancellationToken cancellationToken);

    /// <summary>The scheduler tells what it has decided or seen. What no longer fits the job's state changes nothing.</summary>
    [Alias("apply")]
    Task<JobView> Apply(JobEvent jobEvent, CancellationToken cancellationToken);
}
