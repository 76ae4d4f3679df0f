using System.Collections.Immutable;
using Linformer.Chaos.Checks;
using Linformer.Chaos.Processes;
using Linformer.Protocol.V1;

namespace Linformer.Chaos;

/// <summary>What a run with a coordinator that is killed does.</summary>
public sealed record CoordinatorRunOptions
{
    /// <summary>The <c>linformer</c> program.</summary>
    public required string Program { get; init; }

    /// <summary>Decides the moments.</summary>
    public required int Seed { get; init; }

    /// <summary>Small jobs, submitted at once; they run one after another.</summary>
    public int Jobs { get; init; } = 10;

    /// <summary>How often the coordinator is killed.</summary>
    public int Kills { get; init; } = 20;

    /// <summary>Steps of each job; the last one has more, so that it lasts until the last kill on a fast machine.</summary>
    public int Steps { get; init; } = 150;

    /// <summary>A run in which no job ends for so long has failed.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Told each line of the log.</summary>
    public Action<string> OnLine { get; init; } = _ => { };
}

/// <summary>Kills the coordinator at random moments while jobs wait, get ready, train and end; no job may notice.</summary>
public static class CoordinatorRun
{
    private const int LastJobsShare = 5;

    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(20);

    /// <summary>Runs it.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="cancellationToken">Ends it early; everything is taken away.</param>
    /// <returns>How often it was killed, where the logs are (there only if something failed), and what does not hold.</returns>
    public static async Task<(int Kills, string Folder, ImmutableArray<string> Failures)> RunAsync(CoordinatorRunOptions options, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory($"linformer-chaos-{options.Seed}-").FullName;
        var failures = new List<string>();
        var kills = 0;
        using (var log = new RunLog(Path.Combine(folder, "chaos.log"), options.OnLine))
        {
            log.Write($"seed {options.Seed}: {options.Kills} kills of the coordinator during {options.Jobs} jobs; logs in {folder}");
            using var storage = new ChaosStorage(folder, smallDisk: false);
            await using var cluster = new ChaosCluster(storage, new ClusterLayout(options.Program, Workers: 2));
            try
            {
                await cluster.StartAsync(cancellationToken);
                var jobs = await SubmitAsync(cluster, options, cancellationToken);
                kills = await KillAsync(cluster, jobs, options, log, cancellationToken);
                await CheckAsync(cluster, jobs, options, log, failures, cancellationToken);
                if (kills < options.Kills)
                    failures.Add($"The jobs had ended after {kills} of {options.Kills} kills: give them more steps.");
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
        }

        if (failures.Count == 0)
            Directory.Delete(folder, recursive: true);
        cancellationToken.ThrowIfCancellationRequested();
        return (kills, folder, [.. failures]);
    }

    private static async Task<ImmutableArray<string>> SubmitAsync(ChaosCluster cluster, CoordinatorRunOptions options, CancellationToken cancellationToken)
    {
        var jobs = ImmutableArray.CreateBuilder<string>();
        for (var number = 1; number <= options.Jobs; number++)
        {
            var steps = number < options.Jobs ? options.Steps : options.Steps * LastJobsShare;
            var file = cluster.Storage.WriteJob($"job-{number}", new JobShape(steps, RanksMax: 2, RanksMin: 2, GlobalBatch: 72));
            jobs.Add(await cluster.Client.SubmitAsync(file, $"job-{number}-{cluster.Mark}", cancellationToken));
        }

        return jobs.DrainToImmutable();
    }

    private static async Task<int> KillAsync(
        ChaosCluster cluster, ImmutableArray<string> jobs, CoordinatorRunOptions options, RunLog log, CancellationToken cancellationToken)
    {
        var random = new Random(options.Seed);
        for (var kill = 1; kill <= options.Kills; kill++)
        {
            // The kills are spread over the jobs, however fast these are.
            var turn = (kill - 1) * jobs.Length / options.Kills;
            if (turn > 0)
                await WaitForEndAsync(cluster, jobs[turn - 1], options.Patience, cancellationToken);
            await Task.Delay(random.Next(2000), cancellationToken);
            if (HasEnded(await ShowAsync(cluster, jobs[^1], cancellationToken)))
                return kill - 1;
            cluster.Coordinator.Send(Signal.Kill);
            await cluster.Coordinator.WaitAsync(cancellationToken);
            var pause = random.Next(500);
            log.Write($"kill {kill}, in the time of {jobs[turn]}; it starts again in {pause} ms");
            await Task.Delay(pause, cancellationToken);
            cluster.StartCoordinator();
            // Some kills come before it answers.
            if (random.Next(4) > 0)
                await cluster.WaitForCoordinatorAsync(cancellationToken);
        }

        return options.Kills;
    }

    private static async Task CheckAsync(
        ChaosCluster cluster, ImmutableArray<string> jobs, CoordinatorRunOptions options, RunLog log, List<string> failures, CancellationToken cancellationToken)
    {
        foreach (var job in jobs)
        {
            await WaitForEndAsync(cluster, job, options.Patience, cancellationToken);
            var details = await SettledJob.ReadAsync(cluster.Client, job, cancellationToken);
            var points = await cluster.Client.MetricsAsync(job, 0, cancellationToken);
            log.Write($"{job}: {details.Job.State} after {details.Job.CommittedStep} steps, {details.Job.Generation} generations, {details.History.Count} entries of history, {points.Count} metric points");
            failures.AddRange(RunChecks.Succeeded(details).Concat(RunChecks.History(details)).Concat(RunChecks.Metrics(details, points)).Select(finding => $"{job}: {finding}"));
            // A generation that no worker had heard of yet may be formed again; one that trains goes on.
            var generations = points.Select(point => point.Generation).Distinct().Count();
            if (generations > 1)
                failures.Add($"{job}: {generations} generations trained, though no rank was lost.");
        }

        failures.AddRange(RunChecks.NoTelemetryDropped(await cluster.Client.WorkersAsync(cancellationToken)));
        failures.AddRange(ClusterChecks.NothingRefused(cluster));
        failures.AddRange(await ClusterChecks.NothingLeftAsync(cluster, EndPatience, cancellationToken));
    }

    private static bool HasEnded(JobDetails job) => job.Job.State is JobState.Succeeded or JobState.Failed or JobState.Cancelled;

    private static Task WaitForEndAsync(ChaosCluster cluster, string job, TimeSpan patience, CancellationToken cancellationToken) =>
        ChaosCluster.UntilAsync(async () => HasEnded(await cluster.Client.ShowAsync(job, cancellationToken)), $"{job} has ended", patience, cancellationToken);

    private static async Task<JobDetails> ShowAsync(ChaosCluster cluster, string job, CancellationToken cancellationToken)
    {
        JobDetails? details = null;
        await ChaosCluster.UntilAsync(
            async () => (details = await cluster.Client.ShowAsync(job, cancellationToken)) is not null, "the coordinator answers", TimeSpan.FromMinutes(1), cancellationToken);
        return details!;
    }
}
