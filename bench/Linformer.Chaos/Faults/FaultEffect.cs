using Grpc.Core;
using Linformer.Chaos.Processes;

namespace Linformer.Chaos.Faults;

/// <summary>How a fault is done and undone.</summary>
/// <param name="cluster">Whom it happens to.</param>
/// <param name="job">The job that trains there.</param>
/// <param name="fault">The fault.</param>
/// <param name="target">The worker, from 1 on; 0 for none.</param>
internal sealed class FaultEffect(ChaosCluster cluster, string job, Fault fault, int target)
{
    private int _rank;

    private string Worker => ChaosCluster.NameOf(target);

    /// <summary>Lets it happen.</summary>
    /// <returns>What was done, in words.</returns>
    /// <exception cref="InvalidOperationException">It cannot be done now.</exception>
    public async Task<string> BeginAsync()
    {
        switch (fault.Kind)
        {
            case FaultKind.KillRank:
                _rank = Rank();
                ProcessTable.Send(_rank, Signal.Kill);
                return $"kill -9 of the rank on {Worker} (process {_rank})";
            case FaultKind.KillAllRanks:
                var ranks = Enumerable.Range(1, cluster.Workers).SelectMany(cluster.RanksOf).ToList();
                ranks.ForEach(rank => ProcessTable.Send(rank, Signal.Kill));
                return $"kill -9 of all {ranks.Count} ranks";
            case FaultKind.StopRank:
                _rank = Rank();
                ProcessTable.Send(_rank, Signal.Stop);
                return $"SIGSTOP of the rank on {Worker} (process {_rank}) for {Seconds}";
            case FaultKind.KillWorker:
                cluster.Worker(target).Send(Signal.Kill);
                return $"kill -9 of the agent of {Worker}, to start again in {Seconds}";
            case FaultKind.StopWorker:
                cluster.Worker(target).Send(Signal.Stop);
                return $"SIGSTOP of the agent of {Worker} for {Seconds}";
            case FaultKind.CutNetwork:
                cluster.Network!.Cut(target);
                return $"{Worker} is cut off for {Seconds}";
            case FaultKind.NarrowLink:
                cluster.Network!.Narrow(target, fault.Kilobits);
                return $"{Worker} has {fault.Kilobits} kbit/s for {Seconds}";
            case FaultKind.KillCoordinator:
                cluster.Coordinator.Send(Signal.Kill);
                return $"kill -9 of the coordinator, to start again in {Seconds}";
            case FaultKind.StopCoordinator:
                cluster.Coordinator.Send(Signal.Stop);
                return $"SIGSTOP of the coordinator for {Seconds}";
            case FaultKind.FillDisk:
                cluster.Storage.Fill();
                return $"the disk of the jobs is full for {Seconds}";
            case FaultKind.DamageCheckpoint:
                var file = cluster.Storage.DamageNewestCheckpoint(job, fault.Number) ?? throw new InvalidOperationException("there is no checkpoint");
                return $"bytes of {file} are flipped";
            default:
                await CallAsync(() => cluster.Client.DrainAsync(Worker, undo: false, CancellationToken.None));
                return $"{Worker} is drained for {Seconds}";
        }
    }

    /// <summary>Takes it back.</summary>
    /// <returns>What was done, in words; null when there is nothing to take back.</returns>
    public async Task<string?> EndAsync()
    {
        switch (fault.Kind)
        {
            case FaultKind.StopRank when !ProcessTable.IsAlive(_rank):
                return $"the stopped rank on {Worker} (process {_rank}) lives no more";
            case FaultKind.StopRank:
                ProcessTable.Send(_rank, Signal.Continue);
                return $"the rank on {Worker} (process {_rank}) goes on";
            case FaultKind.KillWorker:
                cluster.StartWorker(target);
                return $"the agent of {Worker} is started";
            case FaultKind.StopWorker:
                cluster.Worker(target).Send(Signal.Continue);
                return $"the agent of {Worker} goes on";
            case FaultKind.CutNetwork:
                cluster.Network!.Mend(target);
                return $"{Worker} is connected again";
            case FaultKind.NarrowLink:
                cluster.Network!.Widen(target);
                return $"{Worker} has a wide link again";
            case FaultKind.KillCoordinator:
                cluster.StartCoordinator();
                return "the coordinator is started";
            case FaultKind.StopCoordinator:
                cluster.Coordinator.Send(Signal.Continue);
                return "the coordinator goes on";
            case FaultKind.FillDisk:
                cluster.Storage.Free();
                return "the disk is free again";
            case FaultKind.DrainWorker:
                await CallAsync(() => cluster.Client.DrainAsync(Worker, undo: true, CancellationToken.None));
                return $"{Worker} is drained no more";
            default:
                return null;
        }
    }

    private string Seconds => $"{fault.Duration.TotalSeconds:0.0} s";

    private int Rank() => cluster.RanksOf(target) is [var rank, ..] ? rank : throw new InvalidOperationException($"{Worker} has no rank");

    // The coordinator may be away by another fault.
    private static async Task CallAsync(Func<Task> call)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                await call();
                return;
            }
            catch (RpcException error) when (tries < 100 && error.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Cancelled)
            {
                await Task.Delay(200);
            }
        }
    }
}
