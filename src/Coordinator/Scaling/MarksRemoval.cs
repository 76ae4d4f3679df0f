using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Workers;
using Serilog;

namespace Linformer.Coordinator.Scaling;

/// <summary>In a coordinator that scales nothing: takes back what one that did has drained, since nobody else would.</summary>
internal sealed class MarksRemoval(IGrainFactory grains, IRosterStore roster, TimeProvider time, ILogger logger) : HostedLoop
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(60);

    protected override async Task LoopAsync(CancellationToken stoppingToken)
    {
        var backOff = new BackOff(FirstPause, LongestPause, time);
        while (!await RemoveAsync(stoppingToken))
            await backOff.WaitAsync(null, stoppingToken);
    }

    private async Task<bool> RemoveAsync(CancellationToken cancellationToken)
    {
        try
        {
            foreach (var name in await roster.WorkersAsync(cancellationToken))
            {
                var worker = grains.GetGrain<IWorkerGrain>(name);
                if (await worker.Get(cancellationToken) is { } view && ScalingReader.IsMarked(view))
                    await worker.ChangeDrain(view.Drained, "", cancellationToken);
            }
            return true;
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.Warning(exception, "Workers that scaling has drained could not be taken back; tried again");
            return false;
        }
    }
}
