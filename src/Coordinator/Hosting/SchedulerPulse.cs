using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Services;
using Linformer.Coordinator.Storage;
using Microsoft.Extensions.Hosting;
using Serilog;

namespace Linformer.Coordinator.Hosting;

/// <summary>
/// Brings back what was unfinished: touches every unfinished job, whose grain then makes up what a kill cut off, and wakes the
/// scheduler, once the coordinator serves: agents that come back must find it. Wakes it again now and then, since nothing else would if its activation were lost.
/// </summary>
internal sealed class SchedulerPulse(IGrainFactory grains, IJobStore jobs, SchedulerPoker scheduler, IHostApplicationLifetime lifetime, ILogger logger) : HostedLoop
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    protected override async Task LoopAsync(CancellationToken stoppingToken)
    {
        await StartedAsync(lifetime, stoppingToken);
        while (!await TryTouchAsync(stoppingToken))
            await Task.Delay(RetryAfter, stoppingToken);
        while (true)
        {
            await scheduler.PokeAsync(stoppingToken);
            await Task.Delay(Interval, stoppingToken);
        }
    }

    private async Task<bool> TryTouchAsync(CancellationToken cancellationToken)
    {
        try
        {
            var unfinished = await jobs.UnfinishedAsync(cancellationToken);
            foreach (var submission in unfinished)
                await TouchAsync(submission, cancellationToken);
            if (unfinished.Count > 0)
                logger.Information("{Jobs} unfinished jobs go on", unfinished.Count);
            return true;
        }
        catch (StorageException exception)
        {
            logger.Error(exception, "The unfinished jobs could not be read; tried again in {RetryAfter}", RetryAfter);
            return false;
        }
    }

    // One job that cannot be brought back must not keep the others; the scheduler's passes try it again.
    private async Task TouchAsync(JobSubmission submission, CancellationToken cancellationToken)
    {
        try
        {
            await grains.GetGrain<IJobGrain>(submission.JobId).Create(submission, cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.Error(exception, "Job {JobId} could not be brought back", submission.JobId);
        }
    }
}
