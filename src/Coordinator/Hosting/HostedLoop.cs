using Microsoft.Extensions.Hosting;

namespace Linformer.Coordinator.Hosting;

/// <summary>What runs for as long as the coordinator does. How it ends once it is told to stop is no fault: what it calls is stopping, too.</summary>
public abstract class HostedLoop : BackgroundService
{
    /// <summary>The loop's work; may throw anything once the token is cancelled.</summary>
    protected abstract Task LoopAsync(CancellationToken stoppingToken);

    /// <inheritdoc/>
    protected sealed override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await LoopAsync(stoppingToken);
        }
        catch (Exception) when (stoppingToken.IsCancellationRequested)
        {
            // The host would log it as fatal.
        }
    }

    /// <summary>Returns when the coordinator has started.</summary>
    private protected static async Task StartedAsync(IHostApplicationLifetime lifetime, CancellationToken cancellationToken)
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = lifetime.ApplicationStarted.Register(() => started.TrySetResult());
        await started.Task.WaitAsync(cancellationToken);
    }
}
