using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Linformer.Coordinator.Scheduling;

/// <summary>Wakes the scheduler when the coordinator starts, and again should its grain have gone. Register it after Orleans.</summary>
public sealed class SchedulerWatch(IGrainFactory grains, ILogger<SchedulerWatch> logger) : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period);
        do
        {
            try
            {
                await grains.GetGrain<ISchedulerGrain>(0).Poke(stoppingToken);
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogWarning(exception, "The scheduler cannot be reached; tried again in {Period}", Period);
            }
        }
        while (await WaitAsync(timer, stoppingToken));
    }

    private static async Task<bool> WaitAsync(PeriodicTimer timer, CancellationToken stoppingToken)
    {
        try
        {
            return await timer.WaitForNextTickAsync(stoppingToken);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
