using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Telemetry;
using Microsoft.Extensions.Logging;

namespace Linformer.Coordinator.Jobs;

/// <summary>
/// Holds a job's state and does what <see cref="JobMachine"/> decides: writes the state once per change, then brings the history and
/// the list of jobs up to it. What fails after the write is made up at the next call, or when the grain is activated again.
/// </summary>
public sealed class JobGrain(
    [PersistentState("job", "coordinator")] IPersistentState<JobState> stored,
    IJobStore jobs,
    IHistoryStore history,
    ITelemetryStore telemetry,
    TimeProvider time,
    ILogger<JobGrain> logger) : Grain, IJobGrain
{
    /// <summary>The newest history entry that is known to be in the table.</summary>
    private long _appended;

    private bool _behind;

    /// <inheritdoc/>
    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        // Of a job that is being deleted the row may be gone already.
        _behind = stored.State.View is { Deletion: null };
        await CatchUpAsync();
    }

    /// <inheritdoc/>
    public async Task<JobView> Create(JobSubmission submission, CancellationToken cancellationToken) =>
        await ChangeAsync(state => JobMachine.Create(state, submission, time.GetUtcNow()));

    /// <inheritdoc/>
    public async Task<JobView?> Get(CancellationToken cancellationToken)
    {
        await CatchUpAsync();
        return stored.State.View;
    }

    /// <inheritdoc/>
    public async Task<JobView> Pause(JobChange change, CancellationToken cancellationToken) =>
        await ChangeAsync(state => JobMachine.Pause(state, change, time.GetUtcNow()));

    /// <inheritdoc/>
    public async Task<JobView> Resume(JobChange change, CancellationToken cancellationToken) =>
        await ChangeAsync(state => JobMachine.Resume(state, change, time.GetUtcNow()));

    /// <inheritdoc/>
    public async Task<JobView> Cancel(JobChange change, CancellationToken cancellationToken) =>
        await ChangeAsync(state => JobMachine.Cancel(state, change, time.GetUtcNow()));

    /// <inheritdoc/>
    public async Task<GoneBack> GoBack(JobGoBack wish, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var before = JobMachine.HasGoneBack(stored.State, wish, now);
        return new GoneBack(await ChangeAsync(state => JobMachine.GoBack(state, wish, now)), before);
    }

    /// <inheritdoc/>
    public async Task<JobView> Delete(JobDeletion deletion, JobChange change, CancellationToken cancellationToken) =>
        await ChangeAsync(state => JobMachine.Delete(state, deletion, change, time.GetUtcNow()));

    /// <inheritdoc/>
    public async Task Forget(CancellationToken cancellationToken)
    {
        _behind = false;
        if (stored.RecordExists)
            await stored.ClearStateAsync(CancellationToken.None);
        DeactivateOnIdle();
    }

    /// <inheritdoc/>
    public async Task<JobView> Apply(JobEvent jobEvent, CancellationToken cancellationToken) =>
        await ChangeAsync(state => JobMachine.Apply(state, jobEvent, time.GetUtcNow()));

    // No caller's token reaches the writes: a client that goes away must not leave half of a change.
    private async Task<JobView> ChangeAsync(Func<JobState, JobState> change)
    {
        var before = stored.State;
        var after = change(before);
        if (!ReferenceEquals(after, before))
        {
            after = await FromNewestStepAsync(before, after, change);
            await WriteAsync(before, after with { Outbox = after.Outbox.RemoveAll(entry => entry.Sequence <= _appended) });
            CoordinatorInstruments.CountChange(before.View, stored.State.View!);
            Log(before.HistorySequence);
        }
        await CatchUpAsync();
        return stored.State.View ?? throw new JobChangeException($"There is no job {this.GetPrimaryKeyString()}.");
    }

    /// <summary>
    /// What the history tells starts from the step that is committed by then. Before anybody can hear of a new generation, only its
    /// steps commit.
    /// </summary>
    private async Task<JobState> FromNewestStepAsync(JobState before, JobState after, Func<JobState, JobState> change)
    {
        var view = after.View!;
        if (view.Generation == 0 || after.HistorySequence == before.HistorySequence)
            return after;
        if (view.Generation != before.View!.Generation)
            await telemetry.BeginGenerationAsync(view.JobId, view.Lineage, view.Generation, view.WorldSize, CancellationToken.None);
        var progress = await telemetry.ProgressAsync(view.JobId, CancellationToken.None);
        // Until the first generation of a new lineage is recorded, what is committed is the old one's.
        return progress.Lineage == before.View.Lineage && progress.CommittedStep > before.CommittedStep
            ? change(before with { CommittedStep = progress.CommittedStep })
            : after;
    }

    private async Task WriteAsync(JobState before, JobState after)
    {
        stored.State = after;
        try
        {
            await stored.WriteStateAsync();
        }
        catch
        {
            // Whether it was written is not known: the next activation reads what is.
            stored.State = before;
            DeactivateOnIdle();
            throw;
        }
        _behind = true;
    }

    private async Task CatchUpAsync()
    {
        if (!_behind)
            return;
        var view = stored.State.View!;
        try
        {
            var entries = stored.State.Outbox.RemoveAll(entry => entry.Sequence <= _appended);
            var appending = entries.IsEmpty ? Task.CompletedTask : history.AppendAsync(view.JobId, entries, CancellationToken.None);
            await Task.WhenAll(appending, jobs.SaveAsync(view, CancellationToken.None));
            _appended = stored.State.HistorySequence;
            _behind = false;
        }
        catch (Exception exception)
        {
            logger.LogWarning(
                exception, "History and row of job {JobId}, lineage {Lineage}, generation {Generation}, could not be brought up to revision {Revision}; tried again",
                view.JobId, view.Lineage, view.Generation, view.Revision);
        }
    }

    private void Log(long after)
    {
        var view = stored.State.View!;
        foreach (var entry in stored.State.Outbox.Where(entry => entry.Sequence > after))
        {
            logger.LogInformation(
                "Job {JobId}: {What} ({Why}) by {Who}; {Phase}, lineage {Lineage}, generation {Generation}, step {Step}",
                view.JobId, entry.What, entry.Why, entry.Who, entry.Phase, entry.Lineage, entry.Generation, entry.Step);
        }
    }
}
