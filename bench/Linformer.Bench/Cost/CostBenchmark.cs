using System.Globalization;
using Grpc.Net.Client;
using Linformer.Bench.Dashboard;
using Linformer.Bench.Pretraining;
using Linformer.Protocol.V1;

namespace Linformer.Bench.Cost;

/// <summary>What <see cref="CostBenchmark"/> measures.</summary>
public sealed record CostBenchmarkOptions
{
    /// <summary>The linformer program.</summary>
    public required string Program { get; init; }

    /// <summary>fp32 or bf16.</summary>
    public string Precision { get; init; } = "bf16";

    /// <summary>How often each is run; they take turns.</summary>
    public int Runs { get; init; } = 3;

    /// <summary>Steps of a run that are measured.</summary>
    public int Steps { get; init; } = 100;

    /// <summary>Steps between checkpoints.</summary>
    public int CheckpointEvery { get; init; } = 100;

    /// <summary>Told how it goes.</summary>
    public Action<string> OnLine { get; init; } = _ => { };
}

/// <summary>A run: some steps of bare ranks, and as many as a job of a cluster.</summary>
/// <param name="BareSeconds">A step's wall time, on the slower rank.</param>
/// <param name="JobSeconds">The same in the cluster, by the ranks' own clocks, with all that lies between two steps.</param>
/// <param name="BareProcessorSeconds">Processor time of a step, of all ranks.</param>
/// <param name="JobProcessorSeconds">The same in the cluster, with coordinator and agents.</param>
/// <param name="OutsideSeconds">Of <paramref name="JobSeconds"/>, what lies between steps: snapshots, telling of what was done, the wait for the commit.</param>
public sealed record CostRun(double BareSeconds, double JobSeconds, double BareProcessorSeconds, double JobProcessorSeconds, double OutsideSeconds);

/// <summary>
/// What fault tolerance, logging and metrics cost together: the same steps on bare ranks, which do nothing else, and as a job of a
/// cluster on this machine with agents, generations, commits, checkpoints, metrics and logs.
/// </summary>
public static class CostBenchmark
{
    private const int Ranks = 2;
    private const int Warmup = 10;
    private const int Last = 3;
    private const int MostSamples = 2000;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    // A rank that waits is started when the one before has ended.
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    /// <summary>Measures.</summary>
    /// <param name="options">What.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="InvalidOperationException">The cluster did not start, or a job or a rank failed.</exception>
    public static async Task<IReadOnlyList<CostRun>> RunAsync(CostBenchmarkOptions options, CancellationToken cancellationToken)
    {
        using var storage = new PretrainingStorage();
        using var bare = new TrainerRanks(TrainerRanks.Parse(JobFile(options, 1_000_000)), storage.Root, Ranks);
        bare.Train(Warmup);
        using var cluster = await CoordinatorProcess.StartAsync(
            options.Program, ["up", "--data", storage.Root, "--workers", Ranks.ToString(CultureInfo.InvariantCulture)], cancellationToken);
        using var channel = GrpcChannel.ForAddress(cluster.Endpoint);
        var jobs = new Jobs.JobsClient(channel);
        await RunJobAsync(options, jobs, cluster, Warmup, cancellationToken); // prepares the corpus
        var runs = new List<CostRun>();
        while (runs.Count < options.Runs)
        {
            var windows = bare.Train(options.Steps);
            // What a start and an end take is in both jobs, and so not in their difference.
            var (_, shorter) = await RunJobAsync(options, jobs, cluster, Warmup + Last, cancellationToken);
            var (samples, longer) = await RunJobAsync(options, jobs, cluster, Warmup + options.Steps + Last, cancellationToken);
            if (samples.Count == 0)
            {
                throw new InvalidOperationException($"{options.Steps} steps took less than two seconds, so that no rank has measured itself; take more.");
            }

            var run = new CostRun(
                windows.Max(window => window.Seconds) / options.Steps,
                samples.GroupBy(sample => sample.Rank).Max(rank => Mean(rank, Milliseconds)) / 1000,
                windows.Sum(window => window.ProcessorSeconds) / options.Steps,
                (longer - shorter) / options.Steps,
                samples.GroupBy(sample => sample.Rank).Max(rank => Mean(rank, sample => sample.OtherMilliseconds)) / 1000);
            runs.Add(run);
            options.OnLine(string.Create(
                CultureInfo.InvariantCulture,
                $"run {runs.Count} of {options.Runs}: a step takes {1000 * run.BareSeconds:0.0} ms bare and {1000 * run.JobSeconds:0.0} ms as a job, {1000 * run.BareProcessorSeconds:0.0} and {1000 * run.JobProcessorSeconds:0.0} ms of processors"));
        }

        await cluster.StopAsync(cancellationToken);
        return runs;
    }

    /// <summary>For reading.</summary>
    /// <param name="options">What was measured.</param>
    /// <param name="runs">The results.</param>
    public static BenchTable Table(CostBenchmarkOptions options, IReadOnlyList<CostRun> runs) => new(
        $"What fault tolerance, logging and metrics cost of a step ({options.Precision}, {Ranks} ranks of one thread, a checkpoint every {options.CheckpointEvery} steps)",
        ["", "share of a step", "ms"],
        [
            ["wall time of a step, as a job less on bare ranks", Share(runs, run => (run.JobSeconds / run.BareSeconds) - 1), Milliseconds(runs, run => run.JobSeconds - run.BareSeconds)],
            ["processor time of a step, likewise, with coordinator and agents", Share(runs, run => (run.JobProcessorSeconds / run.BareProcessorSeconds) - 1), Milliseconds(runs, run => run.JobProcessorSeconds - run.BareProcessorSeconds)],
            ["of the thread that trains, between two steps", Share(runs, run => run.OutsideSeconds / run.JobSeconds), Milliseconds(runs, run => run.OutsideSeconds)],
            ["a step on bare ranks", "", Milliseconds(runs, run => run.BareSeconds)],
        ])
    {
        Notes = ["Each ratio is of neighbouring runs; the median of them, and how far they lie apart: what is less than that is not told apart from nothing. Goal: under 1 %."],
    };

    private static async Task<(IReadOnlyList<RankSample> Samples, double ProcessorSeconds)> RunJobAsync(
        CostBenchmarkOptions options, Jobs.JobsClient jobs, CoordinatorProcess cluster, int steps, CancellationToken cancellationToken)
    {
        await Task.Delay(Pause, cancellationToken);
        var before = cluster.TreeProcessorSeconds;
        var id = await cluster.SubmitAsync(JobFile(options, steps), cancellationToken);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        JobDetails job;
        do
        {
            await Task.Delay(TimeSpan.FromSeconds(1), limit.Token);
            job = await jobs.ShowAsync(new ShowJobRequest { Job = id }, cancellationToken: limit.Token);
        }
        while (job.Job.State is JobState.Queued or JobState.Preparing or JobState.Running);
        if (job.Job.State != JobState.Succeeded)
        {
            throw new InvalidOperationException($"Job {id} has not succeeded: {job.Job.Reason}");
        }

        await Task.Delay(Pause, cancellationToken);
        var samples = await jobs.RankSamplesAsync(new RankSamplesRequest { Job = id, Points = MostSamples }, cancellationToken: cancellationToken);
        return ([.. samples.Samples.Where(sample => sample.Step - sample.Steps >= Warmup && sample.Step <= steps - Last)], cluster.TreeProcessorSeconds - before);
    }

    private static string JobFile(CostBenchmarkOptions options, long steps) => PretrainingStorage.JobFile(
        "cost", PretrainingShape.Of("small", 512), new PretrainingJob(steps, Ranks, options.Precision) { CheckpointEvery = options.CheckpointEvery });

    private static double Milliseconds(RankSample sample) =>
        sample.DataMilliseconds + sample.ForwardMilliseconds + sample.BackwardMilliseconds + sample.ReduceMilliseconds + sample.UpdateMilliseconds + sample.OtherMilliseconds;

    // Samples are means over their steps.
    private static double Mean(IEnumerable<RankSample> samples, Func<RankSample, double> of)
    {
        var all = samples.ToList();
        return all.Sum(sample => of(sample) * sample.Steps) / all.Sum(sample => sample.Steps);
    }

    private static string Share(IReadOnlyList<CostRun> runs, Func<CostRun, double> of) => $"{Spread.Of(runs.Select(run => 100 * of(run))).Text("0.00")} %";

    private static string Milliseconds(IReadOnlyList<CostRun> runs, Func<CostRun, double> of) => Spread.Of(runs.Select(run => 1000 * of(run))).Text("0.00");
}
