using System.Diagnostics;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Postgres;
using Linformer.Coordinator.Storage.Sqlite;

namespace Linformer.Bench;

/// <summary>What the benchmark of metrics does.</summary>
public sealed record MetricsBenchmarkOptions
{
    /// <summary>Steps of the job that is drawn.</summary>
    public int Steps { get; init; } = 1_000_000;

    /// <summary>Points of the drawing.</summary>
    public int Points { get; init; } = 1000;

    /// <summary>Jobs of the list with lines of losses.</summary>
    public int Jobs { get; init; } = 200;

    /// <summary>An empty database of a PostgreSQL server, as a URI; null for SQLite in a temporary folder.</summary>
    public string? Database { get; init; }
}

/// <summary>A measure of the benchmark.</summary>
/// <param name="What">What was measured.</param>
/// <param name="Milliseconds">The median.</param>
/// <param name="RowsMilliseconds">Reading the same from the rows of all steps; null where that was not measured.</param>
/// <param name="RowsPerSecond">Of recording; null for others.</param>
public sealed record MetricsMeasure(string What, double Milliseconds, double? RowsMilliseconds = null, double? RowsPerSecond = null)
{
    /// <summary>How many times longer the rows take.</summary>
    public double? Ratio => RowsMilliseconds / Milliseconds;
}

/// <summary>How soon a long job's metrics are drawn, beside reading its rows, and how fast they are recorded.</summary>
public static class MetricsBenchmark
{
    private const int PageRows = 10_000;
    private const int Tries = 7;

    /// <summary>Runs it.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="output">Gets a line for each measure.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="StorageException">The database cannot be used.</exception>
    public static async Task<IReadOnlyList<MetricsMeasure>> RunAsync(MetricsBenchmarkOptions options, TextWriter output, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("linformer-bench-");
        try
        {
            await using var database = options.Database is { } uri
                ? await PostgresDatabase.OpenAsync(new PostgresDatabaseOptions(PostgresAddress.Parse(uri)), _ => { }, cancellationToken)
                : (CoordinatorDatabase)SqliteDatabase.Open(new SqliteDatabaseOptions(folder.FullName));
            var measures = new List<MetricsMeasure>();
            await foreach (var measure in MeasureAsync(database, options, cancellationToken))
            {
                output.WriteLine(Line(measure));
                measures.Add(measure);
            }
            return measures;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async IAsyncEnumerable<MetricsMeasure> MeasureAsync(
        CoordinatorDatabase database, MetricsBenchmarkOptions options, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var telemetry = new DatabaseTelemetryStore(database);
        var reader = new DatabaseTelemetryReader(database);
        foreach (var (batch, steps) in ((int, int)[])[(1, 2000), (20, 20_000)])
            yield return await RecordAsync(telemetry, $"batches-of-{batch}", steps, batch, cancellationToken);
        yield return await RecordAsync(telemetry, "job", options.Steps, 2000, cancellationToken);

        var all = await TimeAsync(() => ReadRowsAsync(telemetry, "job", cancellationToken), tries: 1);
        var (middle, tenth) = (options.Steps / 2, options.Steps / 10);
        yield return new($"{options.Steps:#,0} steps as {options.Points:#,0} points", await RangeAsync(0, 0, options.Points), all);
        yield return new($"{options.Steps:#,0} steps as 4,000 points", await RangeAsync(0, 0, 4000), all);
        yield return new($"a tenth of them as {options.Points:#,0} points", await RangeAsync(middle, middle + tenth, options.Points));
        yield return new($"{4 * options.Points:#,0} of them as {options.Points:#,0} points", await RangeAsync(middle + 7, middle + 6 + (4 * options.Points), options.Points));

        var jobs = Enumerable.Range(0, options.Jobs).Select(number => $"job-{number}").ToList();
        for (var i = 0; i < jobs.Count; i++)
            await RecordAsync(telemetry, jobs[i], (i % 10 + 1) * 400, 2000, cancellationToken);
        yield return new($"the lines of losses of {jobs.Count} jobs", await TimeAsync(() => reader.LossLinesAsync(jobs, 40, cancellationToken)));

        Task RangeTask(long from, long to, int points) => reader.MetricRangeAsync("job", from, to, points, cancellationToken);
        Task<double> RangeAsync(long from, long to, int points) => TimeAsync(() => RangeTask(from, to, points));
    }

    private static async Task<MetricsMeasure> RecordAsync(DatabaseTelemetryStore telemetry, string job, int steps, int batch, CancellationToken cancellationToken)
    {
        await telemetry.BeginGenerationAsync(job, 0, 1, 2, cancellationToken);
        var started = Stopwatch.GetTimestamp();
        foreach (var part in Enumerable.Range(1, steps).Chunk(batch))
            await telemetry.RecordAsync([new TelemetryBatch(job, "worker", Array.ConvertAll(part, step => Metric(step)), [], [], [])], cancellationToken);
        var time = Stopwatch.GetElapsedTime(started);
        return new($"recording {steps:#,0} steps, {batch:#,0} at a time", time.TotalMilliseconds, RowsPerSecond: steps / time.TotalSeconds);
    }

    private static async Task ReadRowsAsync(DatabaseTelemetryStore telemetry, string job, CancellationToken cancellationToken)
    {
        for (var step = 0L; ;)
        {
            var page = await telemetry.MetricsAfterAsync(job, step, PageRows, cancellationToken);
            if (page.Count < PageRows)
                return;
            step = page[^1].Step;
        }
    }

    private static async Task<double> TimeAsync(Func<Task> action, int tries = Tries)
    {
        var times = new List<double>();
        for (var i = 0; i < tries; i++)
        {
            var started = Stopwatch.GetTimestamp();
            await action();
            times.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }
        times.Sort();
        return times[times.Count / 2];
    }

    private static MetricRow Metric(long step) => new(
        0, 1, step, DateTimeOffset.UnixEpoch.AddSeconds(step), 2, 10 / Math.Sqrt(step), 1e-3, 12_345, 1.5, step % 100 == 0 ? 9.5 / Math.Sqrt(step) : null);

    private static string Line(MetricsMeasure measure) =>
        $"{measure.What,-48}{measure.Milliseconds,12:#,0.0} ms"
        + (measure.RowsPerSecond is { } rate ? $"{rate,14:#,0} rows/s" : "")
        + (measure.Ratio is { } ratio ? $"   reading the rows takes {measure.RowsMilliseconds:#,0} ms, {ratio:0.0} times as long" : "");
}
