using System.Collections.Concurrent;
using Grpc.Core;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Storage;
using Linformer.Model.Files;
using Linformer.Protocol;
using Microsoft.Extensions.Hosting;
using Serilog;

namespace Linformer.Coordinator.Services.Jobs;

/// <summary>
/// Deletes jobs: first a note that it begins, then the job's grain is told, so that nothing else happens with it; then its folders, its
/// telemetry, its history and row, its grain's state, and last the note. What a kill cuts off goes on with the next start.
/// </summary>
internal sealed class JobDeletions(
    IGrainFactory grains,
    IDeletionStore deletions,
    IJobStore jobs,
    ITelemetryRetention telemetry,
    ClusterReader cluster,
    CoordinatorOptions options,
    IHostApplicationLifetime lifetime,
    ILogger logger) : HostedLoop
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<string, Lazy<Task<long?>>> _running = new(StringComparer.Ordinal);

    /// <summary>
    /// Deletes a job that has ended. Once it has begun it is waited for, also for a caller that goes away: else the audit log would tell of
    /// it as of a call that has changed nothing.
    /// </summary>
    /// <returns>The bytes that were freed on the storage.</returns>
    /// <exception cref="JobChangeException">The job has not ended.</exception>
    /// <exception cref="RpcException">Something else stands against it, or its files cannot be deleted now.</exception>
    public async Task<long> DeleteAsync(BegunDeletion deletion, CancellationToken cancellationToken)
    {
        await CheckAsync(deletion, cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            while (true)
            {
                // It may have met one that an earlier coordinator had begun, and that was given up.
                if (await RunAsync(deletion, goesOn: false) is { } freed)
                    return freed;
            }
        }
        catch (Exception exception) when (cancellationToken.IsCancellationRequested && exception is not (RpcException or JobChangeException))
        {
            logger.Warning("The deletion of job {JobId}, whose caller has gone, was cut off: {Reason:l}", deletion.JobId, exception.Message);
            throw Refusal.Unavailable($"The deletion of job {deletion.JobId} was cut off; call again.");
        }
    }

    /// <inheritdoc/>
    protected override async Task LoopAsync(CancellationToken stoppingToken)
    {
        await StartedAsync(lifetime, stoppingToken);
        while (!await TryGoOnAsync(stoppingToken))
            await Task.Delay(RetryAfter, stoppingToken);
    }

    // What an earlier coordinator has begun.
    private async Task<bool> TryGoOnAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<BegunDeletion> begun;
        try
        {
            begun = await deletions.BegunAsync(cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.Warning("Deletions that were cut off cannot be read, and are tried again in {RetryAfter}: {Reason:l}", RetryAfter, exception.Message);
            return false;
        }
        var all = true;
        // One that cannot go on holds up no other.
        foreach (var deletion in begun)
            all &= await TryGoOnAsync(deletion, cancellationToken);
        return all;
    }

    private async Task<bool> TryGoOnAsync(BegunDeletion deletion, CancellationToken cancellationToken)
    {
        try
        {
            if (await RunAsync(deletion, goesOn: true).WaitAsync(cancellationToken) is { } freed)
                logger.Information("The deletion of job {JobId}, which was cut off, is done; {Bytes} bytes were freed", deletion.JobId, freed);
            else
                logger.Information("Job {JobId} is not deleted: the deletion was cut off before the job knew of it", deletion.JobId);
            return true;
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.Warning(
                "The deletion of job {JobId}, which was cut off, cannot go on, and is tried again in {RetryAfter}: {Reason:l}",
                deletion.JobId, RetryAfter, exception.Message);
            return false;
        }
    }

    // Two at a time would count the same bytes, and a second one finds the first one's job half gone.
    private async Task<long?> RunAsync(BegunDeletion deletion, bool goesOn)
    {
        var own = new Lazy<Task<long?>>(() => Task.Run(() => DeleteAllAsync(deletion, goesOn, lifetime.ApplicationStopping)));
        var running = _running.GetOrAdd(deletion.JobId, own);
        try
        {
            return await running.Value;
        }
        finally
        {
            _running.TryRemove(KeyValuePair.Create(deletion.JobId, running));
        }
    }

    // Null when one that goes on was given up.
    private async Task<long?> DeleteAllAsync(BegunDeletion deletion, bool goesOn, CancellationToken cancellationToken)
    {
        var jobId = deletion.JobId;
        var grain = grains.GetGrain<IJobGrain>(jobId);
        if (goesOn && await grain.Get(cancellationToken) is { Deletion: null })
        {
            // Nobody has told the job, which may have trained since.
            await deletions.GiveUpAsync(jobId, cancellationToken);
            return null;
        }
        await deletions.BeginAsync(deletion, cancellationToken);
        var exists = await MarkAsync(deletion, grain, cancellationToken);
        await deletions.StopRecordingAsync(jobId, cancellationToken);
        var freed = 0L;
        // Only the note is left of one that was cut off at its very end.
        if (exists)
        {
            freed = await Task.Run(() => DeleteFolders(deletion, cancellationToken), cancellationToken);
            await telemetry.DeleteJobAsync(jobId, cancellationToken);
        }
        await deletions.EraseAsync(jobId, cancellationToken);
        await grain.Forget(cancellationToken);
        await deletions.EndAsync(jobId, cancellationToken);
        logger.Information("Job {JobId} was deleted by {Who} ({Why}); {Bytes} bytes were freed", jobId, deletion.Who, deletion.Why, freed);
        return freed;
    }

    // False when there is no such job any more. What fails leaves no note of a job that can still go on.
    private async Task<bool> MarkAsync(BegunDeletion deletion, IJobGrain grain, CancellationToken cancellationToken)
    {
        try
        {
            if (await grain.Get(cancellationToken) is null)
                return false;
            await grain.Delete(new JobDeletion(deletion.KeepModel), new JobChange(deletion.Who, deletion.Why), cancellationToken);
            return true;
        }
        catch
        {
            await GiveUpUnlessMarkedAsync(deletion.JobId, grain);
            throw;
        }
    }

    private async Task GiveUpUnlessMarkedAsync(string jobId, IJobGrain grain)
    {
        try
        {
            // A mark whose answer was lost counts.
            if (await grain.Get(CancellationToken.None) is { Deletion: null })
                await deletions.GiveUpAsync(jobId, CancellationToken.None);
        }
        catch (Exception exception)
        {
            logger.Warning("Whether job {JobId} is being deleted is not known; the coordinator's next start finds out: {Reason:l}", jobId, exception.Message);
        }
    }

    private long DeleteFolders(BegunDeletion deletion, CancellationToken cancellationToken)
    {
        try
        {
            return Folders(deletion).Sum(folder => FolderDeletion.Delete(options.DataFolder, folder, cancellationToken));
        }
        catch (PathEscapeException)
        {
            throw Escapes(deletion.JobId);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The storage root is none of the caller's business.
            var reason = exception.Message.Replace(Path.GetFullPath(options.DataFolder) + "/", "", StringComparison.Ordinal);
            throw Refusal.Unavailable($"The files of job {deletion.JobId} cannot be deleted: {reason.TrimEnd('.')}. It stays marked as being deleted; call again once that is mended.");
        }
    }

    private async Task CheckAsync(BegunDeletion deletion, CancellationToken cancellationToken)
    {
        var jobId = deletion.JobId;
        if (await grains.GetGrain<IJobGrain>(jobId).Get(cancellationToken) is not { HasEnded: true })
            throw Refusal.Precondition($"Job {jobId} has not ended; only a job that has can be deleted. Cancel it first.");
        try
        {
            foreach (var folder in Folders(deletion))
                FolderDeletion.Check(options.DataFolder, folder);
        }
        catch (PathEscapeException)
        {
            throw Escapes(jobId);
        }
        // They would write into the folder again.
        var worker = (await cluster.WorkersAsync(cancellationToken)).FirstOrDefault(
            one => one.Alive && one.Status.Groups.Any(group => group.JobId == jobId && group.Members.Any(member => member.IsAlive)));
        if (worker is not null)
            throw Refusal.Precondition($"Ranks of job {jobId} still end on worker {worker.Identity.Name}; try again in a moment.");
        if (!deletion.KeepModel && await UserOfModelAsync(jobId, cancellationToken) is { } user)
            throw Refusal.Precondition($"Job {user}, which has not ended, begins with the model of job {jobId}; delete it with keep_model, or wait until that has ended.");
    }

    private async Task<string?> UserOfModelAsync(string jobId, CancellationToken cancellationToken)
    {
        var model = JobFolders.Model(jobId);
        foreach (var other in await jobs.UnfinishedAsync(cancellationToken))
        {
            var from = JobFileParser.Parse(other.JobJson, other.Name, cuda: true).Job?.InitializeFrom;
            if (from is not null && Path.GetFullPath(from, "/").TrimEnd('/') == "/" + model)
                return other.JobId;
        }
        return null;
    }

    private static IEnumerable<string> Folders(BegunDeletion deletion) =>
        deletion.KeepModel ? [JobFolders.Run(deletion.JobId)] : [JobFolders.Run(deletion.JobId), JobFolders.Model(deletion.JobId)];

    private static RpcException Escapes(string jobId) =>
        Refusal.Precondition($"The files of job {jobId} lie behind a symbolic link that leads out of the storage root, so they are not deleted. Remove the link first.");
}
