using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Scheduling;
using Microsoft.Extensions.Hosting;
using Serilog;

namespace Linformer.Coordinator.Services.Health;

/// <summary>Whether this coordinator serves: it has started, its scheduler answers, and it does not stop.</summary>
internal sealed class ServingState(IGrainFactory grains, IHostApplicationLifetime lifetime, TimeProvider time, ILogger logger) : HostedLoop
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Lock _lock = new();
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _serves;

    /// <summary>Whether it serves, and what completes when that has changed.</summary>
    public (bool Serves, Task Changed) Now
    {
        get
        {
            lock (_lock)
                return (_serves, _changed.Task);
        }
    }

    /// <inheritdoc/>
    protected override async Task LoopAsync(CancellationToken stoppingToken)
    {
        await using var stopping = lifetime.ApplicationStopping.Register(() => Set(false));
        using var timer = new PeriodicTimer(Interval, time);
        long? heard = null;
        try
        {
            await StartedAsync(lifetime, stoppingToken);
            do
            {
                if (await AnswersAsync(stoppingToken))
                    heard = time.GetTimestamp();
                Set(!stoppingToken.IsCancellationRequested && heard is { } last && time.GetElapsedTime(last) < Patience);
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            Set(false);
        }
    }

    private async Task<bool> AnswersAsync(CancellationToken cancellationToken)
    {
        try
        {
            await grains.GetGrain<ISchedulerGrain>(0).Poke(cancellationToken).WaitAsync(Interval, time, cancellationToken);
            return true;
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.Debug("The scheduler does not answer: {Reason:l}", exception.Message);
            return false;
        }
    }

    private void Set(bool serves)
    {
        lock (_lock)
        {
            // Whoever watches is told of the stop in any case.
            if (_serves == serves && !lifetime.ApplicationStopping.IsCancellationRequested)
                return;
            _serves = serves;
            _changed.TrySetResult();
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
