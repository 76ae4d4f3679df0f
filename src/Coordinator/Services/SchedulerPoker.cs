using Linformer.Coordinator.Scheduling;
using Serilog;

namespace Linformer.Coordinator.Services;

/// <summary>Tells the scheduler that something has changed. A poke that fails is made up by the scheduler's own timer.</summary>
internal sealed class SchedulerPoker(IGrainFactory grains, ILogger logger)
{
    /// <summary>Tells it.</summary>
    public Task PokeAsync(CancellationToken cancellationToken) => TellAsync(scheduler => scheduler.Poke(cancellationToken), cancellationToken);

    /// <summary>Tells it that a worker stands otherwise than before.</summary>
    public Task PokeAsync(string worker, CancellationToken cancellationToken) => TellAsync(scheduler => scheduler.LookAt(worker, cancellationToken), cancellationToken);

    private async Task TellAsync(Func<ISchedulerGrain, Task> tell, CancellationToken cancellationToken)
    {
        try
        {
            await tell(grains.GetGrain<ISchedulerGrain>(0));
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.Warning("The scheduler could not be told of a change ({Reason:l}); it sees it with its next pass", exception.Message);
        }
    }
}
