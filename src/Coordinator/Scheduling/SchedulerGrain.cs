using System.Diagnostics;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Telemetry;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Linformer.Coordinator.Scheduling;

/// <summary>Makes passes: one on every tick and soon after a poke, never two at a time.</summary>
public sealed class SchedulerGrain(
    IGrainFactory grains,
    IJobStore jobs,
    IRosterStore roster,
    ITelemetryStore telemetry,
    IEventLog events,
    ClusterTiming timing,
    IHostApplicationLifetime lifetime,
    TimeProvider time,
    ILogger<SchedulerGrain> logger) : Grain, ISchedulerGrain
{
    private static readonly TimeSpan Period = ClusterTiming.PassInterval;
    private const int PassesPerTick = 20;

    // A pass over many workers costs something, and while they all report there is always a reason for another.
    private static readonly TimeSpan LongestRest = TimeSpan.FromMilliseconds(20);

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
        _memory.Stale = true;
        return PassSoon();
    }

    /// <inheritdoc/>
    public Task LookAt(string worker, CancellationToken cancellationToken)
    {
        _memory.StaleWorkers.Add(worker);
        return PassSoon();
    }

    private Task PassSoon()
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
        // The other grains may go before this one does.
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
        try
        {
            TimeSpan? due = null;
            for (var passes = 0; passes == 0 || (_again && passes < PassesPerTick); passes++)
            {
                _again = false;
                var began = Stopwatch.GetTimestamp();
                due = await new SchedulerPass(grains, jobs, roster, telemetry, events, timing, time, logger, _memory).RunAsync(ending.Token);
                CoordinatorInstruments.CountPass(began);
                _again |= due == TimeSpan.Zero;
                if (_again)
                    await RestAsync(Stopwatch.GetElapsedTime(began), ending.Token);
            }
            if (due < Period)
                _timer!.Change(due.Value, Period);
        }
        catch (Exception) when (ending.IsCancellationRequested)
        {
            // The coordinator stops, and what is called of it with it.
        }
        catch (Exception exception)
        {
            _memory.Stale = true;
            CoordinatorInstruments.CountFailedPass();
            logger.LogError(exception, "A pass of the scheduler failed; the next is made in {Period}", Period);
        }
        finally
        {
            _passing = false;
        }
    }

    // As long as the pass took: small clusters notice nothing of it.
    private static Task RestAsync(TimeSpan pass, CancellationToken cancellationToken) =>
        pass.TotalMilliseconds < 1 ? Task.CompletedTask : Task.Delay(pass < LongestRest ? pass : LongestRest, cancellationToken);
}
