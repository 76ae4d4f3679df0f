namespace Linformer.Coordinator.Workers;

/// <summary>
/// A worker, by its name: who is connected under it, what it reports, what it should do. It calls no other grain. Only who it
/// is is stored; the rest comes back with its next status.
/// </summary>
[Alias("linformer.worker")]
public interface IWorkerGrain : IGrainWithStringKey
{
    /// <summary>An agent connects.</summary>
    /// <returns>The session that its later calls carry.</returns>
    /// <exception cref="WorkerRefusedException">Another agent of this name is alive.</exception>
    [Alias("connect")]
    Task<long> Connect(WorkerIdentity identity, CancellationToken cancellationToken);

    /// <summary>The agent reports.</summary>
    /// <returns>False when another session has taken its place: the stream should end.</returns>
    [Alias("report")]
    Task<bool> Report(long session, WorkerStatus status, CancellationToken cancellationToken);

    /// <summary>The agent's stream has ended. Its lease runs on, and its name is free for an agent that is started in its place; one that said it leaves, with nothing left to do, is gone at once.</summary>
    [Alias("disconnect")]
    Task Disconnect(long session, CancellationToken cancellationToken);

    /// <summary>What the agent should be doing. The same as before changes nothing; the revision is the grain's to give.</summary>
    [Alias("assign")]
    Task Assign(WorkerAssignment assignment, CancellationToken cancellationToken);

    /// <summary>The assignment once it is newer than a revision; waits for some seconds at most, then null.</summary>
    /// <exception cref="WorkerRefusedException">Another session has taken this one's place.</exception>
    [Alias("assignment-after"), Orleans.Concurrency.AlwaysInterleave]
    Task<WorkerAssignment?> AssignmentAfter(long session, long revision, CancellationToken cancellationToken);

    /// <summary>A person drains the worker: it gets nothing new, and whoever runs there hands over. Or takes that back.</summary>
    /// <param name="drained">Who and why, in words: "person:ada: new kernel"; empty to take it back.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The worker; null when none of this name was ever seen.</returns>
    [Alias("drain")]
    Task<WorkerView?> Drain(string drained, CancellationToken cancellationToken);

    /// <summary>The same for somebody who decides from what was seen before, and must not undo what somebody else has done since.</summary>
    /// <param name="seen">Who had drained it and why, as it was seen; empty for nobody.</param>
    /// <param name="drained">Who and why from now on; empty to take it back.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Whether it is so now; false when it is drained otherwise than was seen, or was never seen itself.</returns>
    [Alias("change-drain")]
    Task<bool> ChangeDrain(string seen, string drained, CancellationToken cancellationToken);

    /// <summary>Forgets a worker that was lost long ago, unless it is alive again. One of its name is as new after that.</summary>
    /// <returns>Whether it is forgotten.</returns>
    [Alias("forget")]
    Task<bool> Forget(CancellationToken cancellationToken);

    /// <summary>How the worker is; null when none of this name was ever seen.</summary>
    [Alias("get")]
    Task<WorkerView?> Get(CancellationToken cancellationToken);
}
