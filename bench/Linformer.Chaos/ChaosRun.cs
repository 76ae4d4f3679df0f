using System.Collections.Immutable;
using Linformer.Chaos.Checks;
using Linformer.Chaos.Faults;
using Linformer.Chaos.Network;

namespace Linformer.Chaos;

/// <summary>One job on a cluster of real processes, a plan of faults, and the checks at the end.</summary>
public static class ChaosRun
{
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(20);

    /// <summary>Runs it.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="cancellationToken">Ends it early; everything is taken away.</param>
    public static async Task<ChaosReport> RunAsync(ChaosOptions options, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory($"linformer-chaos-{options.Seed}-").FullName;
        var failures = new List<string>();
        var plan = FaultPlan.Create(new FaultPlanSettings(options.Seed, options.Faults, options.Steps, options.Workers, options.Kinds));
        var report = new ChaosReport(options.Seed, folder, [], 0, [], 0, 0, 0, TimeSpan.Zero);
        using (var log = new RunLog(Path.Combine(folder, "chaos.log"), options.OnLine))
        {
            log.Write($"seed {options.Seed}: {plan.Length} faults over {options.Steps} steps, {options.Workers} workers; logs in {folder}");
            using var storage = new ChaosStorage(folder, smallDisk: MachineNetwork.IsPossible);
            await using var cluster = new ChaosCluster(storage, new ClusterLayout(options.Program, options.Workers, Networked: MachineNetwork.IsPossible));
            try
            {
                report = await RunAsync(options, plan, cluster, log, failures, cancellationToken);
            }
            catch (Exception) when (cancellationToken.IsCancellationRequested)
            {
                log.Write("cancelled");
            }
            catch (Exception error)
            {
                failures.Add($"The run broke off: {error.Message}");
                log.Write(error.ToString());
            }

            foreach (var failure in failures)
                log.Write("FAILED: " + failure);
            if (failures.Count > 0)
                storage.Keep();
            report = report with { Failures = [.. failures], Elapsed = log.Elapsed };
        }

        if (failures.Count == 0)
            Directory.Delete(folder, recursive: true);
        cancellationToken.ThrowIfCancellationRequested();
        return report;
    }

    private static async Task<ChaosReport> RunAsync(
        ChaosOptions options, ImmutableArray<Fault> plan, ChaosCluster cluster, RunLog log, List<string> failures, CancellationToken cancellationToken)
    {
        await cluster.StartAsync(cancellationToken);
        var file = cluster.Storage.WriteJob("chaos", new JobShape(options.Steps, options.Workers, GlobalBatch: options.GlobalBatch));
        var job = await cluster.Client.SubmitAsync(file, $"chaos-{cluster.Mark}", cancellationToken);
        await using var monitor = new JobMonitor(cluster.Client, job, log.Write);
        var outcome = await new FaultExecutor(cluster, monitor, log, options.Patience).RunAsync(plan, cancellationToken);
        log.Write($"step {monitor.CommittedStep}: {outcome.Done.Length} faults are done, {outcome.LeftOut.Length} left out");
        await monitor.WaitForEndAsync(options.Patience, cancellationToken);

        var details = await SettledJob.ReadAsync(cluster.Client, job, cancellationToken);
        var points = await cluster.Client.MetricsAsync(job, 0, cancellationToken);
        failures.AddRange(RunChecks.Succeeded(details));
        failures.AddRange(monitor.Backward);
        failures.AddRange(RunChecks.History(details));
        failures.AddRange(RunChecks.Metrics(details, points));
        failures.AddRange(RunChecks.NothingLost(monitor.Steps, points, outcome.Blackouts));
        failures.AddRange(RunChecks.NoTelemetryDropped(await cluster.Client.WorkersAsync(cancellationToken)));
        failures.AddRange(ClusterChecks.NothingRefused(cluster));
        failures.AddRange(await ClusterChecks.NothingLeftAsync(cluster, EndPatience, cancellationToken));
        failures.AddRange(RunChecks.WorldHistory(cluster.Storage.History(job), points));
        failures.AddRange(await ReplayAsync(cluster, file, job, log, cancellationToken));
        return new ChaosReport(
            options.Seed, cluster.Storage.Folder, [], outcome.Done.Length, outcome.LeftOut, details.Job.CommittedStep, details.Job.Generation,
            RunChecks.Recomputed(monitor.Steps, points).Count, log.Elapsed);
    }

    private static async Task<IEnumerable<string>> ReplayAsync(ChaosCluster cluster, string file, string job, RunLog log, CancellationToken cancellationToken)
    {
        var history = cluster.Storage.History(job);
        if (!File.Exists(history))
            return [];
        log.Write($"replay of {await File.ReadAllTextAsync(history, cancellationToken)}");
        var (exit, output) = await cluster.RunAsync(
            "replay", ["train", file, "--data", cluster.Storage.Root, "--replay", history, "--name", "replay"], cancellationToken);
        return exit == 0
            ? RunChecks.SameBytes(cluster.Storage.Weights(job), cluster.Storage.Weights("replay"))
            : [$"The replay ended with exit code {exit}; see {output}"];
    }
}
