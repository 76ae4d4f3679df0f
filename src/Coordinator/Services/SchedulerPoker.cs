using Linformer.Coordinator.Scheduling;
using Serilog;

namespace Linformer.Coordinator.Services;

/// <summary>Tells the scheduler that something has changed. A poke that fails is made up by the scheduler's own timer.</summary>
internal sealed class SchedulerPoker(IGrainFactory grains, ILogger logger)
{
    /// <summary>Tells it.</summary>
    public async Task PokeAsync(CancellationToken cancellationToken)
    {
        try
        {
            await grains.GetGrain<ISchedulerGrain>(0).Poke(cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.Warning("The scheduler could not be told of a change ({Reason:l}); it sees it with its next pass", exception.Message);
        }
    }
}
