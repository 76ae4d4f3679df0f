using System.Collections.Immutable;
using System.Diagnostics;
using Grpc.Core;
using Linformer.Chaos.Processes;

namespace Linformer.Chaos.Faults;

/// <summary>What came of a plan.</summary>
/// <param name="Done">The faults that happened.</param>
/// <param name="LeftOut">Those that did not, with the reason.</param>
/// <param name="Blackouts">When all ranks were killed (<see cref="Stopwatch.GetTimestamp"/>): what they alone held is lost.</param>
public sealed record FaultOutcome(ImmutableArray<Fault> Done, ImmutableArray<string> LeftOut, ImmutableArray<long> Blackouts);

/// <summary>
/// Lets the faults of a plan happen to a cluster that trains a job. It never takes the last sound rank of a generation: then
/// steps would be lost, and rightly so. When only that one is left, it waits until there is another one.
/// Only <see cref="FaultKind.KillAllRanks"/> takes them all, on purpose. It gives up when it waits longer than the patience.
/// </summary>
public sealed class FaultExecutor(ChaosCluster cluster, JobMonitor monitor, RunLog log, TimeSpan patience)
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan LongestStandstill = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan LongestSearch = TimeSpan.FromSeconds(45);
    private const int MostTakenAtOneStep = 2;

    private readonly ImmutableArray<WorkerCondition> _workers = [.. Enumerable.Range(0, cluster.Workers).Select(_ => new WorkerCondition())];
    private readonly List<Task> _lasting = [];
    private readonly List<Fault> _done = [];
    private readonly List<string> _leftOut = [];
    private readonly List<long> _blackouts = [];
    private bool _coordinatorBusy;
    private bool _diskBusy;
    private long _stepOfTaking = -1;
    private int _taken;

    /// <summary>Carries out the plan; returns when all of it is over and undone, or the job has ended and all is undone.</summary>
    public async Task<FaultOutcome> RunAsync(ImmutableArray<Fault> plan, CancellationToken cancellationToken)
    {
        var last = Stopwatch.GetTimestamp();
        foreach (var fault in plan)
        {
            await WaitForTurnAsync(fault, last, cancellationToken);
            if (monitor.HasEnded)
            {
                LeaveOut(fault, "the job had ended");
                continue;
            }

            await StrikeAsync(fault, cancellationToken);
            last = Stopwatch.GetTimestamp();
        }

        await Task.WhenAll(_lasting);
        return new FaultOutcome([.. _done], [.. _leftOut], [.. _blackouts]);
    }

    // A job that takes no step between faults that take ranks fails by its own rule, which is not what a plan is to show.
    private async Task WaitForTurnAsync(Fault fault, long last, CancellationToken cancellationToken)
    {
        while (!monitor.HasEnded)
        {
            var waited = Stopwatch.GetElapsedTime(last);
            var isDue = monitor.CommittedStep >= fault.AtStep || waited > LongestStandstill;
            var mayTake = !TakesRanks(fault) || monitor.CommittedStep > _stepOfTaking || _taken < MostTakenAtOneStep;
            if (waited >= fault.Calm && isDue && mayTake)
                break;
            if (waited > patience)
                throw new TimeoutException($"Fault {fault.Number} waited {patience.TotalSeconds:0} s in vain: step {monitor.CommittedStep}, {monitor.Describe()}.");
            await Task.Delay(Look, cancellationToken);
        }

        if (TakesRanks(fault))
            (_stepOfTaking, _taken) = (monitor.CommittedStep, monitor.CommittedStep > _stepOfTaking ? 1 : _taken + 1);
    }

    private static bool TakesRanks(Fault fault) => fault.TakesRank || fault.Kind == FaultKind.KillAllRanks;

    private async Task StrikeAsync(Fault fault, CancellationToken cancellationToken)
    {
        var since = Stopwatch.GetTimestamp();
        while (!monitor.HasEnded)
        {
            if (Target(fault) is { } target)
            {
                Begin(fault, target);
                return;
            }

            if (Stopwatch.GetElapsedTime(since) > LongestSearch)
            {
                LeaveOut(fault, $"nothing to strike for {LongestSearch.TotalSeconds:0} s; {monitor.Describe()}");
                return;
            }

            await Task.Delay(Look, cancellationToken);
        }

        LeaveOut(fault, "the job had ended");
    }

    // What to strike now: a worker, 0 for what is not a worker's, null when it has to wait.
    private int? Target(Fault fault)
    {
        switch (fault.Kind)
        {
            case FaultKind.KillCoordinator or FaultKind.StopCoordinator:
                return _coordinatorBusy ? null : 0;
            case FaultKind.FillDisk:
                return _diskBusy ? null : 0;
            case FaultKind.DamageCheckpoint:
                return 0;
            case FaultKind.KillAllRanks:
                return monitor.Training.IsEmpty || monitor.CommittedStep == 0 ? null : 0;
        }

        // An answer that is older than what was done to the coordinator would not know of what was done to others before.
        if (fault.TakesRank && monitor.DetailsAge > TimeSpan.FromSeconds(1) && !_coordinatorBusy)
            return null;
        for (var i = 0; i < cluster.Workers; i++)
        {
            var worker = ((fault.Worker - 1 + i) % cluster.Workers) + 1;
            if (!_workers[worker - 1].IsBusy && !cluster.Worker(worker).HasExited
                && (!fault.TakesRank || Enumerable.Range(1, cluster.Workers).Any(other => other != worker && IsSound(other)))
                && (fault.Kind is not (FaultKind.KillRank or FaultKind.StopRank) || RankOf(worker) is not null))
            {
                return worker;
            }
        }

        return null;
    }

    // Its rank is one of the generation, trains, and nothing is done to it.
    private bool IsSound(int worker)
    {
        var condition = _workers[worker - 1];
        return !condition.IsImpaired && (condition.SoundFor > monitor.DetailsAge || _coordinatorBusy)
            && !cluster.Worker(worker).HasExited
            && monitor.Training.Any(rank => rank.Worker == ChaosCluster.NameOf(worker) && ProcessTable.IsRunning(rank.ProcessId));
    }

    private int? RankOf(int worker) => cluster.RanksOf(worker).Where(ProcessTable.IsRunning).Select(id => (int?)id).FirstOrDefault();

    private void Begin(Fault fault, int target)
    {
        SetBusy(fault, target, busy: true);
        _lasting.Add(Task.Run(async () =>
        {
            try
            {
                await LastAsync(fault, target);
            }
            catch (Exception error) when (error is InvalidOperationException or IOException or RpcException or TimeoutException)
            {
                LeaveOut(fault, error is RpcException rpc ? $"{rpc.StatusCode} {rpc.Status.Detail}" : error.Message);
            }
            finally
            {
                SetBusy(fault, target, busy: false);
            }
        }));
    }

    private async Task LastAsync(Fault fault, int target)
    {
        var effect = new FaultEffect(cluster, monitor.Job, fault, target);
        var what = await effect.BeginAsync();
        log.Write($"step {monitor.CommittedStep}: fault {fault.Number}, {what}");
        lock (_done)
        {
            _done.Add(fault);
            if (fault.Kind == FaultKind.KillAllRanks)
                _blackouts.Add(Stopwatch.GetTimestamp());
        }

        for (var left = fault.Duration; left > TimeSpan.Zero && !monitor.HasEnded; left -= Look)
            await Task.Delay(Look);
        if (await effect.EndAsync() is { } end)
            log.Write($"step {monitor.CommittedStep}: fault {fault.Number}, {end}");
    }

    private void SetBusy(Fault fault, int target, bool busy)
    {
        if (target > 0 && busy)
            _workers[target - 1].Strike(fault);
        else if (target > 0)
            _workers[target - 1].Recover();
        else if (fault.Kind is FaultKind.KillCoordinator or FaultKind.StopCoordinator)
            _coordinatorBusy = busy;
        else if (fault.Kind == FaultKind.FillDisk)
            _diskBusy = busy;
    }

    private void LeaveOut(Fault fault, string reason)
    {
        log.Write($"step {monitor.CommittedStep}: fault {fault.Number}, {fault.Kind}, is left out: {reason}");
        lock (_done)
            _leftOut.Add($"fault {fault.Number}, {fault.Kind}: {reason}");
    }
}
