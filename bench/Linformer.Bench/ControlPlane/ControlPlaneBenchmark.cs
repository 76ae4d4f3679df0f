using System.Diagnostics;
using System.Globalization;
using Linformer.Bench.Dashboard;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Sqlite;

namespace Linformer.Bench.ControlPlane;

/// <summary>
/// What one coordinator bears: a real one with SQLite, simulated workers over gRPC streams of their own in this process, jobs that
/// run, metric points, and submissions.
/// </summary>
public static class ControlPlaneBenchmark
{
    private const int ConnectAtOnce = 20;
    private const double HeartbeatGoal = 1000;
    private const double SubmitGoal = 250;
    private const double RangeGoal = 100;
    private const double AcceptedGoal = 99;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(10);

    /// <summary>Runs it.</summary>
    /// <exception cref="InvalidOperationException">A program did not work, or the jobs did not start.</exception>
    /// <exception cref="StorageException">The database cannot be written.</exception>
    public static async Task<IReadOnlyList<ControlPlaneMeasure>> RunAsync(ControlPlaneOptions options, CancellationToken cancellationToken)
    {
        if (ControlPlaneJobs.Ranks(options.Jobs) > options.Workers)
            throw new InvalidOperationException($"{options.Jobs} jobs have {ControlPlaneJobs.Ranks(options.Jobs)} ranks, and {options.Workers} workers of one slot are too few for them. Use more --workers or fewer --jobs.");
        var folder = Directory.CreateTempSubdirectory("linformer-bench-").FullName;
        try
        {
            Directory.CreateDirectory(Path.Combine(folder, "corpora"));
            await File.WriteAllTextAsync(Path.Combine(folder, "corpora", "some.txt"), string.Concat(Enumerable.Repeat("whale ship sea captain ", 2000)), cancellationToken);
            string? history = null;
            if (options.HistoryHours > 0)
            {
                options.OnLine($"A job of {options.HistoryHours} h with {ControlPlaneJobs.HistoryRate} points a second is written …");
                history = await ControlPlaneJobs.WriteHistoryAsync(options, folder, cancellationToken);
            }
            using var coordinator = await CoordinatorProcess.StartAsync(options.Program, folder, cancellationToken);
            return await LoadAsync(options, coordinator, folder, history, cancellationToken);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>A measure as a line.</summary>
    public static string Line(ControlPlaneMeasure measure)
    {
        var goal = measure.Most is { } most ? $"at most {most:#,0}" : measure.Least is { } least ? $"at least {least:#,0}" : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{measure.What,-62}{measure.Value,12:#,0.0} {measure.Unit}{(measure.Met is { } met ? $"   goal {goal}: {(met ? "met" : "missed")}" : "")}");
    }

    private static async Task<IReadOnlyList<ControlPlaneMeasure>> LoadAsync(
        ControlPlaneOptions options, CoordinatorProcess coordinator, string folder, string? history, CancellationToken cancellationToken)
    {
        var counts = new LoadCounts();
        using var clients = new ControlPlaneClients(coordinator.Endpoint, counts);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var token = (await File.ReadAllTextAsync(Path.Combine(folder, "coordinator", "join-token"), cancellationToken)).Trim();
        var workers = Enumerable.Range(0, options.Workers).Select(i => new SimulatedWorker($"worker-{i:0000}", coordinator.Endpoint, token, counts)).ToList();
        try
        {
            var began = Stopwatch.GetTimestamp();
            var running = await ConnectAsync(workers, end.Token);
            options.OnLine($"{options.Workers:#,0} workers are connected after {Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s.");
            began = Stopwatch.GetTimestamp();
            await clients.SubmitAllAsync(Enumerable.Range(0, options.Jobs).Select(number => ControlPlaneJobs.LongJob(number, (double)options.Points / options.Jobs)), cancellationToken);
            options.OnLine($"{options.Jobs} jobs are submitted after {Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s.");
            await AllTrainAsync(counts, ControlPlaneJobs.Ranks(options.Jobs), began, cancellationToken);
            options.OnLine($"All {ControlPlaneJobs.Ranks(options.Jobs)} ranks train after {Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s; {options.Seconds} s are measured …");
            var measures = await MeasureAsync(options, coordinator, clients, counts, history, end.Token);
            measures.AddRange(Sizes(folder, coordinator));
            if (counts.Trouble.Length > 0)
                options.OnLine($"What went wrong first: {counts.Trouble}");
            await end.CancelAsync();
            await Task.WhenAll(running);
            return measures;
        }
        finally
        {
            await end.CancelAsync();
            workers.ForEach(worker => worker.Dispose());
        }
    }

    private static async Task<List<Task>> ConnectAsync(List<SimulatedWorker> workers, CancellationToken cancellationToken)
    {
        var running = new List<Task>();
        foreach (var some in workers.Chunk(ConnectAtOnce))
        {
            var calls = await Task.WhenAll(some.Select(worker => worker.ConnectAsync(cancellationToken)));
            running.AddRange(some.Zip(calls, (worker, call) => Task.Run(() => worker.RunAsync(call, cancellationToken), CancellationToken.None)));
        }
        return running;
    }

    private static async Task AllTrainAsync(LoadCounts counts, int ranks, long began, CancellationToken cancellationToken)
    {
        while (counts.Training < ranks)
        {
            if (Stopwatch.GetElapsedTime(began) > Patience)
                throw new InvalidOperationException($"After {Patience.TotalMinutes} minutes {counts.Training} of {ranks} ranks train; {counts.Broken} streams have ended. {counts.Trouble}");
            await Task.Delay(100, cancellationToken);
        }
    }

    private static async Task<List<ControlPlaneMeasure>> MeasureAsync(
        ControlPlaneOptions options, CoordinatorProcess coordinator, ControlPlaneClients clients, LoadCounts counts, string? history, CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task[] looking = [clients.SubmitSteadilyAsync(options.Submissions, end.Token), clients.LookAsync(history, coordinator.Http, end.Token)];
        // What is compiled at first does not count.
        await Task.Delay(WarmUp, cancellationToken);
        foreach (var latencies in (Latencies[])[counts.Heartbeats, counts.Acknowledgements, counts.FirstSteps, clients.Submissions, clients.Ranges, clients.Calls])
            latencies.Clear();
        var (offered, accepted, backlog, rejoined) = (counts.Offered, counts.Accepted, counts.Offered - counts.Accepted, counts.Rejoined);
        var load = MachineTimes.Now(coordinator.ProcessorSeconds);
        var began = Stopwatch.GetTimestamp();
        await Task.Delay(TimeSpan.FromSeconds(options.Seconds), cancellationToken);
        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        (offered, accepted) = (counts.Offered - offered, counts.Accepted - accepted);
        var used = MachineTimes.Now(coordinator.ProcessorSeconds).Since(load);
        await end.CancelAsync();
        await Task.WhenAll(looking);
        var lost = await clients.LostAsync(cancellationToken);
        return
        [
            .. counts.Heartbeats.Measures("heartbeat to acknowledgement", HeartbeatGoal),
            .. clients.Submissions.Measures("submit", SubmitGoal),
            .. counts.FirstSteps.Measures("submit to first step recorded, ranks start at once"),
            new("workers that were lost: missed leases", lost, "", Most: 0),
            new("streams and submissions that broke", counts.Broken, "", Most: 0),
            new("ranks that had to join again", counts.Rejoined - rejoined, "", Most: 0),
            new("points offered", offered / seconds, "/s"),
            new("points accepted", accepted / seconds, "/s"),
            new("points accepted, of those that were due", 100 * accepted / (options.Points * seconds), "%", Least: AcceptedGoal),
            new("points that waited for their acknowledgement at the end", counts.Offered - counts.Accepted - Math.Min(0, backlog), ""),
            .. counts.Acknowledgements.Measures("points to acknowledgement, committed"),
            .. history is null ? [] : clients.Ranges.Measures($"metrics of {options.HistoryHours} h in 1,000 points, under load", RangeGoal),
            .. clients.Calls.Measures("an empty call: the wait for a processor"),
            new("processor time of the coordinator", 100 * used.Program / used.Elapsed, "% of a core"),
            new("processor time of this load generator", 100 * used.Own / used.Elapsed, "% of a core"),
            new("processor time of all else on this machine", 100 * used.Others / used.Elapsed, $"% of a core, of {Environment.ProcessorCount}"),
        ];
    }

    private static IEnumerable<ControlPlaneMeasure> Sizes(string folder, CoordinatorProcess coordinator)
    {
        const double Mebi = 1 << 20;
        var (now, peak) = coordinator.Memory;
        yield return new("resident memory of the coordinator", now / Mebi, "MiB");
        yield return new("resident memory of the coordinator, the most", peak / Mebi, "MiB");
        var files = new DirectoryInfo(Path.Combine(folder, "coordinator")).GetFiles($"{SqliteDatabase.FileName}*");
        yield return new("the database", files.Sum(file => file.Length) / Mebi, "MiB");
    }
}
