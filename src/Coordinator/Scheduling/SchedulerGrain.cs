using Linformer.Coordinator.Storage;
using Microsoft.Extensions.Logging;

namespace Linformer.Coordinator.Scheduling;

/// <summary>Makes passes: one on every tick and soon after a poke, never two at a time.</summary>
public sealed class SchedulerGrain(
    IGrainFactory grains,
    IJobStore jobs,
    IRosterStore roster,
    ITelemetryStore telemetry,
    ClusterTiming timing,
    TimeProvider time,
    ILogger<SchedulerGrain> logger) : Grain, ISchedulerGrain
{
    private static readonly TimeSpan Period = ClusterTiming.PassInterval;
    private const int PassesPerTick = 20;

    private readonly SchedulerMemory _memory = new();
    private IGrainTimer? _timer;
    private bool _passing;
    private bool _again;

    /// <inheritdoc/>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _timer = this.RegisterGrainTimer(TickAsync, new GrainTimerCreationOptions(TimeSpan.Zero, Period) { KeepAlive = true });
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task Poke(CancellationToken cancellationToken)
    {
        if (_passing)
            _again = true;
        else
            _timer!.Change(TimeSpan.Zero, Period);
        return Task.CompletedTask;
    }

    private async Task TickAsync(CancellationToken cancellationToken)
    {
        _passing = true;
        try
        {
            TimeSpan? due = null;
            for (var passes = 0; passes == 0 || (_again && passes < PassesPerTick); passes++)
            {
                _again = false;
                due = await new SchedulerPass(grains, jobs, roster, telemetry, timing, time, logger, _memory).RunAsync(cancellationToken);
                _again |= due == TimeSpan.Zero;
            }
            if (due < Period)
                _timer!.Change(due.Value, Period);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The coordinator stops.
        }
        catch (Exception exception)
        {
            logger.LogError(exception, "A pass of the scheduler failed; the next is made in {Period}", Period);
        }
        finally
        {
            _passing = false;
        }
    }
}
