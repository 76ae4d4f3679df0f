using System.Diagnostics;
using System.Globalization;
using Linformer.Chaos;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Sqlite;

namespace Linformer.Bench.Dashboard;

/// <summary>What the benchmark of the dashboard does.</summary>
public sealed record DashboardBenchmarkOptions
{
    /// <summary>The linformer program.</summary>
    public required string Program { get; init; }

    /// <summary>Points of the long job.</summary>
    public int Points { get; init; } = 1_000_000;

    /// <summary>Dashboards that are open at the same time.</summary>
    public int Dashboards { get; init; } = 50;

    /// <summary>For how many seconds the coordinator's processor time is measured.</summary>
    public int Seconds { get; init; } = 30;

    /// <summary>Points a second of the job that all of them watch.</summary>
    public int PointsPerSecond { get; init; } = 20;

    /// <summary>Is told how far it is.</summary>
    public Action<string> OnLine { get; init; } = _ => { };
}

/// <summary>A measure of the benchmark.</summary>
/// <param name="What">What was measured.</param>
/// <param name="Value">How much.</param>
/// <param name="Unit">Of what: ms or percent of a processor.</param>
/// <param name="Goal">The most that it should be; null for none.</param>
public sealed record DashboardMeasure(string What, double Value, string Unit, double? Goal = null);

/// <summary>How soon the page of a long job is there, and what open dashboards cost the coordinator.</summary>
public static class DashboardBenchmark
{
    private const int Tries = 5;
    private const double PaintGoal = 1000;
    private const double ProcessorGoal = 10;

    // Two frames after the chart has its points, what was drawn is on the screen.
    private const string Painted = """
        new Promise((resolve) => {
          const look = () => {
            const plot = document.querySelector('.plot-frame:not(.empty) canvas');
            if (plot) requestAnimationFrame(() => requestAnimationFrame(() => resolve([performance.now(), performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0])));
            else requestAnimationFrame(look);
          };
          look();
        })
        """;

    /// <summary>Runs it.</summary>
    /// <exception cref="InvalidOperationException">A program did not work.</exception>
    /// <exception cref="StorageException">The database cannot be written.</exception>
    public static async Task<IReadOnlyList<DashboardMeasure>> RunAsync(DashboardBenchmarkOptions options, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("linformer-bench-").FullName;
        try
        {
            Directory.CreateDirectory(Path.Combine(folder, "corpora"));
            await File.WriteAllTextAsync(Path.Combine(folder, "corpora", "some.txt"), string.Concat(Enumerable.Repeat("whale ship sea captain ", 2000)), cancellationToken);
            options.OnLine($"A job of {options.Points:#,0} points is written …");
            var job = await FillAsync(options, folder, cancellationToken);
            using var coordinator = await CoordinatorProcess.StartAsync(options.Program, folder, cancellationToken);
            var measures = new List<DashboardMeasure>();
            void Add(DashboardMeasure measure)
            {
                measures.Add(measure);
                options.OnLine(Line(measure));
            }
            foreach (var path in (string[])["", "/metrics?points=1000", "/samples?points=300", "/checkpoints"])
                Add(new($"GET /api/v1/jobs/JOB{path}", await AnswerAsync(coordinator, $"/api/v1/jobs/{job}{path}", cancellationToken), "ms"));
            if (Chromium.IsThere)
            {
                foreach (var measure in await PaintAsync(new Uri(coordinator.Http.BaseAddress!, $"/jobs/{job}"), cancellationToken))
                    Add(measure);
            }
            else
            {
                options.OnLine("There is no Chromium on this machine: the first paint is not measured.");
            }
            await CostAsync(options, coordinator, folder, Add, cancellationToken);
            return measures;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>A measure as a line.</summary>
    public static string Line(DashboardMeasure measure) => string.Create(
        CultureInfo.InvariantCulture,
        $"{measure.What,-58}{measure.Value,9:#,0.0} {measure.Unit}{(measure.Goal is { } goal ? $"   goal {goal:#,0}: {(measure.Value <= goal ? "met" : "missed")}" : "")}");

    // It waits for more slots than there will ever be: nothing changes it.
    private static async Task<string> FillAsync(DashboardBenchmarkOptions options, string folder, CancellationToken cancellationToken)
    {
        string job;
        using (var first = await CoordinatorProcess.StartAsync(options.Program, folder, cancellationToken))
        {
            job = await first.SubmitAsync(JobFile("long", options.Points, "{ min: 64, max: 64 }", globalBatch: 256), cancellationToken);
            await first.StopAsync(cancellationToken);
        }
        await using var database = SqliteDatabase.Open(new SqliteDatabaseOptions(Path.Combine(folder, "coordinator")));
        var telemetry = new DatabaseTelemetryStore(database);
        await telemetry.BeginGenerationAsync(job, 0, 1, 64, cancellationToken);
        foreach (var part in Enumerable.Range(1, options.Points).Chunk(5000))
            await telemetry.RecordAsync([new TelemetryBatch(job, "worker", Array.ConvertAll(part, step => Metric(step)), [], [], [])], cancellationToken);
        return job;
    }

    private static async Task<double> AnswerAsync(CoordinatorProcess coordinator, string path, CancellationToken cancellationToken)
    {
        var times = new List<double>();
        for (var i = 0; i < Tries; i++)
        {
            var started = Stopwatch.GetTimestamp();
            using var answer = await coordinator.Http.GetAsync(new Uri(path, UriKind.Relative), cancellationToken);
            if (!answer.IsSuccessStatusCode)
                throw new InvalidOperationException($"{path} is answered {(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync(cancellationToken)}");
            await answer.Content.ReadAsByteArrayAsync(cancellationToken);
            times.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }
        return Median(times);
    }

    private static async Task<IReadOnlyList<DashboardMeasure>> PaintAsync(Uri page, CancellationToken cancellationToken)
    {
        using var browser = await Chromium.StartAsync(cancellationToken);
        var (charts, contents) = (new List<double>(), new List<double>());
        // The first visit warms the browser itself up.
        for (var i = 0; i <= Tries; i++)
        {
            var value = (await browser.OpenAsync(page, Painted, cancellationToken)).AsArray();
            if (i == 0)
                continue;
            charts.Add(value[0]!.GetValue<double>());
            contents.Add(value[1]!.GetValue<double>());
        }
        return [new("first content of the job's page, with an empty cache", Median(contents), "ms", PaintGoal), new("first chart of the job's page, with an empty cache", Median(charts), "ms", PaintGoal)];
    }

    private static async Task CostAsync(
        DashboardBenchmarkOptions options, CoordinatorProcess coordinator, string folder, Action<DashboardMeasure> add, CancellationToken cancellationToken)
    {
        var job = await coordinator.SubmitAsync(JobFile("watched", 1_000_000, "{ max: 1 }", globalBatch: 8), cancellationToken);
        var token = (await File.ReadAllTextAsync(Path.Combine(folder, "coordinator", "join-token"), cancellationToken)).Trim();
        using var agent = new StandInAgent(coordinator.Endpoint, token);
        var group = await agent.FormAsync(cancellationToken);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var training = agent.TrainAsync(group, options.PointsPerSecond, end.Token);
        // What is compiled at first does not count.
        await Task.Delay(TimeSpan.FromSeconds(5), cancellationToken);
        var alone = await UsedAsync(coordinator, options.Seconds, cancellationToken);
        using (var watching = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
        {
            var topics = new Uri($"/api/v1/stream?topic=job:{job}&topic=metrics:{job}:0&topic=samples:{job}:0", UriKind.Relative);
            var counts = new long[options.Dashboards];
            var streams = Enumerable.Range(0, options.Dashboards).Select(i => WatchAsync(coordinator.Http, topics, counts, i, watching.Token)).ToList();
            await Task.Delay(TimeSpan.FromSeconds(10), cancellationToken);
            var before = counts.Min();
            var watched = await UsedAsync(coordinator, options.Seconds, cancellationToken);
            if (counts.Min() == before)
                throw new InvalidOperationException("A dashboard was told of nothing meanwhile.");
            await watching.CancelAsync();
            await Task.WhenAll(streams);
            add(new($"the coordinator, {options.PointsPerSecond} points/s, nobody watching", alone, "% of a core"));
            add(new($"the coordinator, {options.PointsPerSecond} points/s, {options.Dashboards} open dashboards", watched, "% of a core"));
            add(new($"what {options.Dashboards} open dashboards cost", watched - alone, "% of a core", ProcessorGoal));
        }
        await end.CancelAsync();
        await training;
    }

    private static async Task<double> UsedAsync(CoordinatorProcess coordinator, int seconds, CancellationToken cancellationToken)
    {
        var (used, started) = (coordinator.ProcessorSeconds, Stopwatch.GetTimestamp());
        await Task.Delay(TimeSpan.FromSeconds(seconds), cancellationToken);
        return 100 * (coordinator.ProcessorSeconds - used) / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static async Task WatchAsync(HttpClient http, Uri topics, long[] counts, int number, CancellationToken cancellationToken)
    {
        try
        {
            using var answer = await http.GetAsync(topics, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            answer.EnsureSuccessStatusCode();
            await using var body = await answer.Content.ReadAsStreamAsync(cancellationToken);
            var buffer = new byte[64 * 1024];
            while (await body.ReadAsync(buffer, cancellationToken) is > 0 and var count)
                counts[number] += count;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Measured.
        }
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }

    private static MetricRow Metric(long step) => new(
        0, 1, step, DateTimeOffset.UtcNow.AddSeconds(-1_000_000 + step), 64, 10 / Math.Sqrt(step), 1e-3, 12_345, 1.5, step % 100 == 0 ? 9.5 / Math.Sqrt(step) : null);

    private static string JobFile(string name, int steps, string ranks, int globalBatch) =>
        new SmallJob(name, steps) { GlobalBatch = globalBatch, CheckpointEvery = 100, Ranks = ranks }.ToYaml();
}
