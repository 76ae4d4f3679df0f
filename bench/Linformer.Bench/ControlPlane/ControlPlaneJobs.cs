using System.Globalization;
using Google.Protobuf;
using Linformer.Bench.Dashboard;
using Linformer.Chaos;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Sqlite;
using Linformer.Protocol.V1;

namespace Linformer.Bench.ControlPlane;

/// <summary>The job files of the benchmark, and a job that has run for a day.</summary>
internal static class ControlPlaneJobs
{
    /// <summary>How the names of jobs begin that run all the time.</summary>
    public const string Long = "long";

    private const int MostRanks = 4;
    private const int LongSteps = 100_000_000;
    private const int ShortSteps = 20;
    private const double ShortRate = 10;
    private const int PointsOfWrite = 5000;

    /// <summary>Points a second of the job that has run for long.</summary>
    public const int HistoryRate = 10;

    /// <summary>A job that runs all the time.</summary>
    /// <param name="number">Its number, which decides how many ranks it has.</param>
    /// <param name="stepsPerSecond">Its pace.</param>
    public static SubmitRequest LongJob(int number, double stepsPerSecond) => Request(Long, number, stepsPerSecond, LongSteps);

    /// <summary>A job of two seconds.</summary>
    public static SubmitRequest ShortJob(int number) => Request("short", number, ShortRate, ShortSteps);

    /// <summary>The ranks of the first jobs.</summary>
    public static int Ranks(int jobs) => Enumerable.Range(0, jobs).Sum(RanksOf);

    /// <summary>Makes a job of many hours in a coordinator's empty folder.</summary>
    /// <returns>Its id.</returns>
    public static async Task<string> WriteHistoryAsync(ControlPlaneOptions options, string folder, CancellationToken cancellationToken)
    {
        string job;
        var points = options.HistoryHours * 3600 * HistoryRate;
        using (var first = await CoordinatorProcess.StartAsync(options.Program, folder, cancellationToken))
        {
            job = await first.SubmitAsync(Yaml("history-100-0", points, ranks: 1), cancellationToken);
            using var answer = await first.Http.PostAsync(new Uri($"/api/v1/jobs/{job}/cancel", UriKind.Relative), new StringContent("{}", null, "application/json"), cancellationToken);
            answer.EnsureSuccessStatusCode();
            await first.StopAsync(cancellationToken);
        }
        await using var database = SqliteDatabase.Open(new SqliteDatabaseOptions(Path.Combine(folder, "coordinator")));
        var telemetry = new DatabaseTelemetryStore(database);
        await telemetry.BeginGenerationAsync(job, 0, 1, 1, cancellationToken);
        var start = DateTimeOffset.UtcNow.AddHours(-options.HistoryHours);
        foreach (var part in Enumerable.Range(1, points).Chunk(PointsOfWrite))
            await telemetry.RecordAsync([new TelemetryBatch(job, "worker", Array.ConvertAll(part, step => Row(step, start)), [], [], [])], cancellationToken);
        return job;
    }

    private static MetricRow Row(long step, DateTimeOffset start) => new(
        0, 1, step, start.AddSeconds((double)step / HistoryRate), 1, 10 / Math.Sqrt(step), 1e-3, 12_345, 1.5, step % 100 == 0 ? 9.5 / Math.Sqrt(step) : null);

    private static int RanksOf(int number) => 1 + (number % MostRanks);

    private static SubmitRequest Request(string kind, int number, double stepsPerSecond, int steps)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"{kind}-{(int)(100 * stepsPerSecond)}-{number}");
        return new SubmitRequest { JobFile = ByteString.CopyFromUtf8(Yaml(name, steps, RanksOf(number))), IdempotencyKey = Guid.NewGuid().ToString(), Submitter = "bench" };
    }

    private static string Yaml(string name, int steps, int ranks) => new SmallJob(name, steps)
    {
        GlobalBatch = 8,
        MicroBatch = 2,
        EvaluateEvery = 100,
        CheckpointEvery = 100,
        Ranks = $"{{ min: {ranks}, max: {ranks} }}",
    }.ToYaml();
}
