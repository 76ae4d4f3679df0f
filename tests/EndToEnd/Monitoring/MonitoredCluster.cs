using System.Diagnostics;
using System.Globalization;
using EndToEnd.Clusters;

namespace EndToEnd.Monitoring;

/// <summary>
/// A coordinator and a worker that are scraped, send OTLP and log to files, while one job trains and another one succeeds: all of it
/// once, for the tests that look at what came out.
/// </summary>
public sealed class MonitoredCluster : IAsyncLifetime, IDisposable
{
    public const string ApiKey = "k1=x, y%2C";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(6);

    private readonly Workspace _workspace = new();
    private readonly HttpClient _http = new();
    private Process? _receiver;

    /// <summary>What the coordinator told Prometheus while both jobs were there.</summary>
    public string Coordinator { get; private set; } = "";

    /// <summary>The same in OpenMetrics.</summary>
    public string OpenMetrics { get; private set; } = "";

    /// <summary>What the worker told meanwhile.</summary>
    public string Worker { get; private set; } = "";

    /// <summary>What a coordinator with a certificate told.</summary>
    public string WithCertificate { get; private set; } = "";

    /// <summary>The job that trained then.</summary>
    public string Training { get; private set; } = "";

    /// <summary>The job that had succeeded.</summary>
    public string Succeeded { get; private set; } = "";

    public string Logs => Path.Combine(_workspace.Root, "logs");

    public string Received => Path.Combine(_workspace.Root, "received");

    public async Task InitializeAsync()
    {
        Directory.CreateDirectory(Received);
        _receiver = Process.Start("/usr/bin/python3", [Path.Combine(AppContext.BaseDirectory, "Monitoring", "receiver.py"), Received]);
        await Cluster.UntilAsync(() => Task.FromResult(File.Exists(Path.Combine(Received, "ports"))), "the receiver listens");
        var ports = (await File.ReadAllTextAsync(Path.Combine(Received, "ports"))).Split(' ');
        var headers = Path.Combine(_workspace.Root, "headers");
        await File.WriteAllTextAsync(headers, $"# for the collector\nX-Api-Key: {ApiKey}\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(headers, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        string[] often = ["env", "OTEL_METRIC_EXPORT_INTERVAL=400"];
        await using var cluster = new Cluster(_workspace) { CoordinatorPrefix = often, WorkerPrefix = often };
        var (coordinator, worker) = (Cluster.FreePort(), Cluster.FreePort());
        await cluster.StartCoordinatorAsync(
            [.. Health(coordinator), .. LogTo("coordinator.log"), "--otlp-endpoint", $"http://127.0.0.1:{ports[0]}", "--otlp-protocol", "http", "--otlp-headers-file", headers]);
        cluster.StartWorker("w1", slots: 2, more: [.. Health(worker), .. LogTo("worker.log"), "--otlp-endpoint", $"http://127.0.0.1:{ports[1]}", "--otlp-headers-file", headers]);
        await cluster.WaitForWorkersAsync(1);
        Succeeded = await cluster.SubmitAsync(_workspace.Job("short", steps: 30, ranks: "{ max: 1 }"));
        await cluster.WaitForStateAsync(Succeeded, "succeeded");
        Training = await cluster.SubmitAsync(_workspace.Job("long", steps: 1_000_000, ranks: "{ max: 1 }"));
        await cluster.WaitForStepAsync(Training, 30);
        await Cluster.UntilAsync(
            async () => IsUnderWay(Coordinator = await ScrapeAsync(coordinator)), "the job's steps and its loss are scraped");
        OpenMetrics = await ScrapeAsync(coordinator, "application/openmetrics-text;version=1.0.0");
        Worker = await ScrapeAsync(worker);
        // What was sent before the scrape may be of the job's first steps.
        await Cluster.UntilAsync(
            () => Task.FromResult(Points("http").Any(point => point.Metric == "linformer.job.step.committed" && point.Attributes["job.id"] == Training && point.Value >= 30) && Points("grpc").Any()),
            "metrics arrive by OTLP");
        (await cluster.RunAsync("cancel", Training)).ExitCode.ShouldBe(0);
        await StopAsync(cluster.Worker("w1"));
        await StopAsync(cluster.Coordinator);
        await ScrapeWithCertificateAsync();
    }

    public Task DisposeAsync() => Task.CompletedTask;

    public void Dispose()
    {
        if (_receiver is { HasExited: false })
        {
            _receiver.Kill();
        }

        _receiver?.Dispose();
        _http.Dispose();
        _workspace.Dispose();
    }

    /// <summary>The values that arrived by a protocol, grpc or http.</summary>
    internal IEnumerable<OtlpPoint> Points(string protocol) =>
        Directory.GetFiles(Received, protocol + "-*.bin").Order(StringComparer.Ordinal).SelectMany(file => OtlpMessage.Points(File.ReadAllBytes(file)));

    // What is scraped of jobs may be some seconds old.
    private bool IsUnderWay(string scrape)
    {
        var committed = $"linformer_job_step_committed{{job_id=\"{Training}\"";
        return scrape.Contains($"linformer_job_loss_held_out{{job_id=\"{Training}\"", StringComparison.Ordinal)
            && scrape.Split('\n').Any(line => line.StartsWith(committed, StringComparison.Ordinal) && double.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture) >= 30);
    }

    private string[] LogTo(string name) => ["--log-file", Path.Combine(Logs, name), "--log-file-format", "json"];

    private static string[] Health(int port) => ["--health", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port}")];

    private static async Task StopAsync(LinformerProcess process)
    {
        process.Signal("TERM");
        var result = await process.WaitAsync();
        result.ExitCode.ShouldBe(0, result.Error);
    }

    private async Task<string> ScrapeAsync(int port, string accept = "text/plain")
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/metrics"));
        request.Headers.TryAddWithoutValidation("Accept", accept).ShouldBeTrue();
        using var limit = new CancellationTokenSource(Patience);
        using var response = await _http.SendAsync(request, limit.Token);
        var text = await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync(limit.Token);
        response.Content.Headers.ContentType!.MediaType.ShouldBe(accept.Split(';')[0]);
        return text;
    }

    private async Task ScrapeWithCertificateAsync()
    {
        var certificates = Path.Combine(_workspace.Root, "certs");
        await LinformerProcess.SucceedAsync("certificates", "--to", certificates, "--host", "localhost");
        var port = Cluster.FreePort();
        using var coordinator = LinformerProcess.Start(
            ["coordinator", "--data", Path.Combine(_workspace.Root, "other"), "--http", "none", "--listen", "127.0.0.1:0", .. Health(port),
                "--tls-certificate", Path.Combine(certificates, "server.pem"), "--tls-key", Path.Combine(certificates, "server.key")]);
        await Cluster.UntilAsync(
            async () =>
            {
                try
                {
                    return (WithCertificate = await ScrapeAsync(port)).Contains("linformer_certificate_expiry_seconds ", StringComparison.Ordinal);
                }
                catch (HttpRequestException)
                {
                    return false;
                }
            },
            "the certificate's end is scraped");
        await StopAsync(coordinator);
    }
}
