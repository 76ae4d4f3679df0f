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

    /// <summary>The scheduler tells what it has decided or seen. What no longer fits the job's state changes nothing.</summary>
    [Alias("apply")]
    Task<JobView> Apply(JobEvent jobEvent, CancellationToken cancellationToken);
}
