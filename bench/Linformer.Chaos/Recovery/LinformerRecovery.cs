using Linformer.Chaos.Network;
using Linformer.Chaos.Processes;
using Linformer.Protocol.V1;

namespace Linformer.Chaos.Recovery;

/// <summary>
/// Measures this system from outside, as a client of its coordinator: a step counts when the coordinator shows its metrics,
/// that is, when it is committed.
/// </summary>
internal sealed class LinformerRecovery(RecoveryOptions options)
{
    private const int Ranks = 2;
    private const int WarmSteps = 50;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    public async Task<RecoveryMeasures> MeasureAsync(CancellationToken cancellationToken)
    {
        var measures = new RecoveryMeasures { System = "linformer" };
        await WithJobAsync(new ClusterLayout(options.Program, Workers: 1, Slots: Ranks) { Lease = null }, async (cluster, job) =>
        {
            var kills = new List<Kill>();
            var step = await StepTimeAsync(cluster.Client, job, cancellationToken);
            for (var number = 1; number <= options.Kills; number++)
            {
                kills.Add(await KillAsync(cluster.Client, job, victim: number % Ranks, cancellationToken));
                options.OnLine($"linformer, kill {number}: next step {kills[^1].NextStep.TotalSeconds:0.00} s, all ranks {kills[^1].AllRanks.TotalSeconds:0.00} s, {kills[^1].StepsLost} steps lost");
            }

            measures = measures with
            {
                Step = step,
                NextStep = Median.Of(kills.Select(kill => kill.NextStep)),
                AllRanks = Median.Of(kills.Select(kill => kill.AllRanks)),
                StepsLost = Median.Of(kills.Select(kill => (double)kill.StepsLost)),
                StoppedNoticed = await NoticeAsync(cluster.Client, job, "a rank is stopped", async () =>
                    ProcessTable.Send((await RanksAsync(cluster.Client, job, cancellationToken))[1].ProcessId, Signal.Stop), cancellationToken),
            };
        }, cancellationToken);
        if (MachineNetwork.IsPossible)
        {
            await WithJobAsync(new ClusterLayout(options.Program, Workers: Ranks, Networked: true) { Lease = null }, async (cluster, job) =>
                measures = measures with
                {
                    CutNoticed = await NoticeAsync(cluster.Client, job, "a machine is cut off", () =>
                    {
                        cluster.Network!.Cut(Ranks);
                        return Task.CompletedTask;
                    }, cancellationToken),
                }, cancellationToken);
        }

        return measures;
    }

    private async Task WithJobAsync(ClusterLayout layout, Func<ChaosCluster, string, Task> measure, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("linformer-recovery-").FullName;
        try
        {
            using var storage = new ChaosStorage(folder, smallDisk: false);
            await using var cluster = new ChaosCluster(storage, layout);
            await cluster.StartAsync(cancellationToken);
            var file = storage.WriteJob("recovery", new JobShape(Steps: 1_000_000, RanksMax: Ranks));
            await measure(cluster, await cluster.Client.SubmitAsync(file, $"recovery-{cluster.Mark}", cancellationToken));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // Committed steps of two ranks over some seconds.
    private static async Task<TimeSpan> StepTimeAsync(ClusterClient client, string job, CancellationToken cancellationToken)
    {
        await WaitForRanksAsync(client, job, WarmSteps, cancellationToken);
        var (from, start) = (await CommittedAsync(client, job, cancellationToken), DateTime.UtcNow);
        await Task.Delay(Calm, cancellationToken);
        return (DateTime.UtcNow - start) / Math.Max(1, await CommittedAsync(client, job, cancellationToken) - from);
    }

    private static async Task<Kill> KillAsync(ClusterClient client, string job, int victim, CancellationToken cancellationToken)
    {
        await WaitForRanksAsync(client, job, WarmSteps, cancellationToken);
        await Task.Delay(Calm, cancellationToken);
        var process = (await RanksAsync(client, job, cancellationToken))[victim].ProcessId;
        var before = (await client.ShowAsync(job, cancellationToken)).Job;
        var start = DateTime.UtcNow;
        ProcessTable.Send(process, Signal.Kill);
        TimeSpan? nextStep = null;
        long committed = before.CommittedStep, first = 0;
        while (DateTime.UtcNow - start < Patience)
        {
            // From before the kill on, so that a step that is done again is seen too.
            var points = await client.MetricsAsync(job, Math.Max(0, before.CommittedStep - 1000), cancellationToken);
            var now = DateTime.UtcNow - start;
            var newer = points.Where(point => point.Generation > before.Generation).ToList();
            if (newer.Count == 0)
            {
                committed = points.Max(point => point.Step);
            }
            else if (nextStep is null)
            {
                (nextStep, first) = (now, newer[0].Step);
            }

            if (newer.Exists(point => point.WorldSize == Ranks))
                return new Kill(nextStep!.Value, now, Math.Max(0, committed - first + 1));
            await Task.Delay(Look, cancellationToken);
        }

        throw new TimeoutException($"{job} did not recover within {Patience.TotalSeconds:0} s from kill -9 of rank {victim}.");
    }

    // Noticed is what the job's history tells of.
    private async Task<TimeSpan?> NoticeAsync(ClusterClient client, string job, string what, Func<Task> act, CancellationToken cancellationToken)
    {
        await WaitForRanksAsync(client, job, WarmSteps, cancellationToken);
        await Task.Delay(Calm, cancellationToken);
        var known = (await client.ShowAsync(job, cancellationToken)).History.Count;
        var start = DateTime.UtcNow;
        await act();
        while (DateTime.UtcNow - start < options.Wait)
        {
            var history = (await client.ShowAsync(job, cancellationToken)).History;
            if (history.Count > known)
            {
                var time = history[known].At.ToDateTime() - start;
                options.OnLine($"linformer, {what}: noticed after {time.TotalSeconds:0.00} s ({history[known].What}: {history[known].Why})");
                return time;
            }

            await Task.Delay(Look, cancellationToken);
        }

        return null;
    }

    private static Task WaitForRanksAsync(ClusterClient client, string job, int steps, CancellationToken cancellationToken)
    {
        long? from = null;
        return ChaosCluster.UntilAsync(
            async () =>
            {
                if ((await RanksAsync(client, job, cancellationToken)).Count < Ranks)
                    return false;
                var step = await CommittedAsync(client, job, cancellationToken);
                return step >= (from ??= step) + steps;
            },
            $"{job} trains on {Ranks} ranks", Patience, cancellationToken);
    }

    private static async Task<IReadOnlyList<Rank>> RanksAsync(ClusterClient client, string job, CancellationToken cancellationToken) =>
        [.. (await client.ShowAsync(job, cancellationToken)).Ranks.Where(rank => rank.State == "training" && rank.InGeneration)];

    private static async Task<long> CommittedAsync(ClusterClient client, string job, CancellationToken cancellationToken) =>
        (await client.ShowAsync(job, cancellationToken)).Job.CommittedStep;
}
