using System.Diagnostics;
using System.Globalization;
using Grpc.Net.Client;
using Linformer.Bench.Dashboard;
using Linformer.Protocol.V1;

namespace Linformer.Bench.ControlPlane;

/// <summary>What the benchmark of a submission does.</summary>
public sealed record SubmitBenchmarkOptions
{
    /// <summary>The linformer program.</summary>
    public required string Program { get; init; }

    /// <summary>Jobs, one after the other.</summary>
    public int Jobs { get; init; } = 7;

    /// <summary>Is told how far it is.</summary>
    public Action<string> OnLine { get; init; } = _ => { };
}

/// <summary>How long it takes from a submission to the first step, on a cluster of this machine that has nothing else to do.</summary>
public static class SubmitBenchmark
{
    private const int Workers = 2;
    private const int Lines = 20_000;
    private const double Goal = 2000;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    // A rank that waits is started when the one before has ended.
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    private static readonly string[] Words = ["whale", "ship", "sea", "captain", "the", "of", "harpoon", "boat", "white", "night", "storm", "crew"];

    /// <summary>Runs it: medians of all jobs but the first, which also prepares the corpus.</summary>
    /// <exception cref="InvalidOperationException">The cluster did not start, or a job did not end well.</exception>
    public static async Task<IReadOnlyList<ControlPlaneMeasure>> RunAsync(SubmitBenchmarkOptions options, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("linformer-bench-").FullName;
        try
        {
            WriteText(folder);
            using var cluster = await CoordinatorProcess.StartAsync(
                options.Program, ["up", "--data", folder, "--workers", Workers.ToString(CultureInfo.InvariantCulture)], cancellationToken);
            using var channel = GrpcChannel.ForAddress(cluster.Endpoint);
            var jobs = new Jobs.JobsClient(channel);
            await Task.Delay(Pause, cancellationToken);
            var all = new List<Dictionary<string, double>>();
            for (var number = 0; number <= options.Jobs; number++)
            {
                var times = await RunJobAsync(jobs, cluster, cancellationToken);
                options.OnLine($"{(number == 0 ? "The first job, with its corpus" : $"Job {number} of {options.Jobs}")}: {times[FirstStep]:0} ms");
                if (number > 0)
                    all.Add(times);
                await Task.Delay(Pause, cancellationToken);
            }
            await cluster.StopAsync(cancellationToken);
            return
            [
                .. all[0].Keys.Where(what => what != FirstStep).Select(what => new ControlPlaneMeasure(what, Median(all, what), "ms")),
                new(FirstStep, Median(all, FirstStep), "ms", Goal),
                new("the longest of them", all.Max(times => times[FirstStep]), "ms"),
            ];
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private const string FirstStep = "submit to first step";

    private static async Task<Dictionary<string, double>> RunJobAsync(Jobs.JobsClient jobs, CoordinatorProcess cluster, CancellationToken cancellationToken)
    {
        var (submitted, began) = (DateTimeOffset.UtcNow, Stopwatch.GetTimestamp());
        var id = await cluster.SubmitAsync(JobFile, cancellationToken);
        var times = new Dictionary<string, double>(StringComparer.Ordinal) { ["submit to answer"] = Stopwatch.GetElapsedTime(began).TotalMilliseconds };
        JobDetails job;
        do
        {
            if (Stopwatch.GetElapsedTime(began) > Patience)
                throw new InvalidOperationException($"Job {id} has not ended after {Patience.TotalMinutes} minutes.");
            await Task.Delay(50, cancellationToken);
            job = await jobs.ShowAsync(new ShowJobRequest { Job = id }, cancellationToken: cancellationToken);
        }
        while (job.Job.State is JobState.Queued or JobState.Preparing or JobState.Running);
        if (job.Job.State != JobState.Succeeded)
            throw new InvalidOperationException($"Job {id} has not succeeded: {job.Job.Reason}");
        foreach (var (what, entry) in ((string, string)[])[("submit to slots", "got "), ("submit to orders for the ranks", "get ready"), ("submit to the generation's start", "started")])
            times[what] = (job.History.First(one => one.What.Contains(entry, StringComparison.Ordinal)).At.ToDateTimeOffset() - submitted).TotalMilliseconds;
        using var points = jobs.Metrics(new MetricsRequest { Job = id }, cancellationToken: cancellationToken);
        await points.ResponseStream.MoveNext(cancellationToken);
        times[FirstStep] = (points.ResponseStream.Current.At.ToDateTimeOffset() - submitted).TotalMilliseconds;
        return times;
    }

    private static double Median(List<Dictionary<string, double>> all, string what) => all.Select(times => times[what]).Order().ElementAt(all.Count / 2);

    private static void WriteText(string folder)
    {
        Directory.CreateDirectory(Path.Combine(folder, "corpora"));
        var random = new Random(1);
        File.WriteAllLines(
            Path.Combine(folder, "corpora", "some.txt"),
            Enumerable.Range(0, Lines).Select(_ => string.Join(' ', Enumerable.Range(0, 12).Select(_ => Words[random.Next(Words.Length)])) + "."));
    }

    // As examples/smoke.yaml.
    private const string JobFile = """
        name: submit
        corpus:
          files: ["corpora/*.txt"]
          tokenizer: { kind: byte-bpe, vocabularySize: 512 }
          heldOut: 0.02
          shuffleBlock: 8
        model: { preset: linformer-tiny }
        training: { steps: 20, globalBatch: 16, microBatch: 8, learningRate: 1.0e-3, warmupSteps: 5, evaluateEvery: 10, checkpointEvery: 10, keepCheckpoints: 1 }
        ranks: { min: 2, max: 2, threads: 1 }
        """;
}
