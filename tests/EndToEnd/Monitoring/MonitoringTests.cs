using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace EndToEnd.Monitoring;

/// <summary>What a real cluster tells Prometheus, an OTLP collector and its log files.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed partial class MonitoringTests(MonitoredCluster cluster) : IClassFixture<MonitoredCluster>
{
    private static readonly string Root = FindRoot();

    [Fact]
    public async Task Promtool_accepts_what_coordinators_and_workers_tell()
    {
        foreach (var scrape in (string[])[cluster.Coordinator, cluster.Worker, cluster.WithCertificate])
        {
            var (exitCode, output) = await RunAsync(Promtool(), ["check", "metrics"], scrape);
            output.ShouldBeEmpty();
            exitCode.ShouldBe(0);
        }
    }

    [Fact]
    public async Task OpenMetrics_is_read_by_another_library()
    {
        var (exitCode, output) = await RunAsync("/usr/bin/python3", [Path.Combine(AppContext.BaseDirectory, "Monitoring", "openmetrics.py")], cluster.OpenMetrics);

        exitCode.ShouldBe(0, output);
        output.Split('\n').ShouldContain("linformer_jobs_ended_total");
        output.Split('\n').ShouldContain("linformer_call_duration_seconds_bucket");
    }

    [Fact]
    public void Jobs_workers_and_calls_are_told_as_they_are()
    {
        Value("linformer_jobs{state=\"running\"}").ShouldBe(1);
        Value("linformer_jobs{state=\"succeeded\"}").ShouldBe(1);
        Value("linformer_jobs_submitted_total").ShouldBe(2);
        Value("linformer_jobs_ended_total{outcome=\"succeeded\"}").ShouldBe(1);
        Value("linformer_generations_total{cause=\"start\"}").ShouldBe(2);
        Value("linformer_workers{state=\"alive\"}").ShouldBe(1);
        Value("linformer_slots{device=\"cpu\",state=\"used\"}").ShouldBe(1);
        Value("linformer_slots{device=\"cpu\",state=\"free\"}").ShouldBe(1);
        Value("linformer_worker_up{worker=\"w1\"}").ShouldBe(1);
        Value("linformer_corpora{state=\"ready\"}").ShouldBe(1);
        Value("linformer_calls_total{method=\"/linformer.v1.Jobs/Submit\",status=\"OK\"}").ShouldBe(2);
        Value("linformer_calls_open{method=\"/linformer.v1.Agents/Connect\"}").ShouldBe(1);
        Value("linformer_coordinator_active").ShouldBe(1);
        var job = $"{{job_id=\"{cluster.Training}\",job_name=\"long\"}}";
        Value("linformer_job_steps" + job).ShouldBe(1_000_000);
        Value("linformer_job_step_committed" + job).ShouldBeGreaterThanOrEqualTo(30);
        Value("linformer_job_ranks" + job).ShouldBe(1);
        Value("linformer_job_loss" + job).ShouldBeInRange(0.1, 10);
        Value("linformer_job_tokens_per_second" + job).ShouldBeGreaterThan(0);
        Value("linformer_job_step_age_seconds" + job).ShouldBeLessThan(60);
        Value("linformer_telemetry_items_total{outcome=\"recorded\"}").ShouldBeGreaterThanOrEqualTo(60);
        Value("linformer_db_writes_total{outcome=\"committed\"}").ShouldBeGreaterThan(10);
        cluster.Coordinator.ShouldNotContain($"linformer_job_steps{{job_id=\"{cluster.Succeeded}\"");
    }

    [Theory]
    [InlineData("prometheus/alerts.yaml")]
    [InlineData("grafana/linformer.json")]
    public void Every_metric_that_alerts_and_the_dashboard_use_is_there(string file)
    {
        var there = (cluster.Coordinator + cluster.Worker + cluster.WithCertificate).Split('\n')
            .Where(line => line.Length > 0 && line[0] != '#').Select(line => line.Split('{', ' ')[0]).ToHashSet(StringComparer.Ordinal);
        var used = MetricName().Matches(File.ReadAllText(Path.Combine(Root, "deploy", "monitoring", file))).Select(match => match.Value).Distinct().ToList();

        used.Count.ShouldBeGreaterThan(15);
        used.Where(name => !there.Contains(name)).ShouldBeEmpty();
    }

    [Fact]
    public void Values_arrive_by_OTLP_over_HTTP_and_gRPC()
    {
        var coordinator = cluster.Points("http").ToList();
        coordinator.ShouldAllBe(point => point.Service == "linformer-coordinator");
        coordinator.ShouldContain(point => point.Metric == "linformer.jobs" && point.Unit == "{job}" && point.Attributes["state"] == "running" && point.Value == 1);
        coordinator.ShouldContain(point => point.Metric == "linformer.job.step.committed" && point.Attributes["job.id"] == cluster.Training && point.Value >= 30);
        coordinator.ShouldContain(point => point.Metric == "linformer.jobs.ended" && point.Attributes["outcome"] == "succeeded" && point.Value == 1);
        coordinator.ShouldContain(point => point.Metric == "linformer.db.write.duration" && point.Scope == "Linformer.Coordinator" && point.Value > 0);
        var worker = cluster.Points("grpc").ToList();
        worker.ShouldAllBe(point => point.Service == "linformer-worker" && point.Instance == "w1");
        worker.ShouldContain(point => point.Metric == "dotnet.process.memory.working_set" && point.Value > 1e6);

        var (path, headers) = Sent("http");
        path.ShouldBe("/v1/metrics");
        headers.GetProperty("x-api-key").GetString().ShouldBe(MonitoredCluster.ApiKey);
        (path, headers) = Sent("grpc");
        path.ShouldBe("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");
        headers.GetProperty("x-api-key").GetString().ShouldBe(MonitoredCluster.ApiKey);
    }

    [Fact]
    public void Log_lines_about_a_job_name_it_in_their_properties()
    {
        var coordinator = Lines("coordinator");
        var worker = Lines("worker");
        foreach (var line in coordinator.Concat(worker))
        {
            var told = ((string[])[cluster.Training, cluster.Succeeded]).FirstOrDefault(job => line.Text.Contains(job, StringComparison.Ordinal));
            if (told is not null)
            {
                line.Properties.GetProperty("JobId").GetString().ShouldBe(told, line.Text);
            }
        }

        var started = coordinator.Single(line => IsOf(line, cluster.Succeeded) && line.Text.Contains("generation 1 started", StringComparison.Ordinal));
        (Number(started, "Lineage"), Number(started, "Generation"), Number(started, "Step")).ShouldBe((0, 1, 0));
        var ended = coordinator.Last(line => IsOf(line, cluster.Succeeded));
        ended.Properties.GetProperty("Phase").GetString().ShouldBe("Succeeded");
        Number(ended, "Step").ShouldBe(30);
        var ofRanks = worker.Where(line => IsOf(line, cluster.Succeeded)).ToList();
        foreach (var what in (string[])["goes on from step", "is on disk", "has ended"])
        {
            var line = ofRanks.Last(line => line.Text.Contains(what, StringComparison.Ordinal));
            (Number(line, "Lineage"), Number(line, "Generation"), Number(line, "Rank")).ShouldBe((0, 1, 0), line.Text);
            line.Properties.TryGetProperty("Step", out _).ShouldBeTrue(line.Text);
            line.Properties.GetProperty("Worker").GetString().ShouldBe("w1");
        }
    }

    private static bool IsOf(LogLine line, string job) => line.Properties.TryGetProperty("JobId", out var id) && id.GetString() == job;

    private static long Number(LogLine line, string property) => line.Properties.GetProperty(property).GetInt64();

    private static string Promtool()
    {
        var unpacked = Path.Combine(Root, "artifacts", "prometheus", "usr", "bin", "promtool");
        return File.Exists(unpacked) ? unpacked : "promtool";
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(string program, string[] arguments, string input)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await error);
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Linformer.sln")))
        {
            folder = folder.Parent ?? throw new InvalidOperationException("These tests run from below the repository.");
        }

        return folder.FullName;
    }

    private double Value(string series)
    {
        var line = cluster.Coordinator.Split('\n').SingleOrDefault(line => line.StartsWith(series + " ", StringComparison.Ordinal));
        return double.Parse(line.ShouldNotBeNull($"there is no {series}").Split(' ')[^1], CultureInfo.InvariantCulture);
    }

    private (string Path, JsonElement Headers) Sent(string protocol)
    {
        var sent = JsonDocument.Parse(File.ReadAllText(Directory.GetFiles(cluster.Received, protocol + "-*.json").Order(StringComparer.Ordinal).First())).RootElement;
        return (sent.GetProperty("path").GetString()!, sent.GetProperty("headers"));
    }

    private List<LogLine> Lines(string name) =>
    [
        .. File.ReadLines(Directory.GetFiles(cluster.Logs, name + "*.log").ShouldHaveSingleItem())
            .Select(line => JsonDocument.Parse(line).RootElement)
            .Select(line => new LogLine(line.GetProperty("RenderedMessage").GetString()!, line.TryGetProperty("Properties", out var properties) ? properties : JsonDocument.Parse("{}").RootElement)),
    ];

    [GeneratedRegex(@"\b(?:linformer|dotnet)_[a-z0-9_]+", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex MetricName();

    private sealed record LogLine(string Text, JsonElement Properties);
}
