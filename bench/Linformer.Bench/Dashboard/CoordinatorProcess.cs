using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Linformer.Bench.Dashboard;

/// <summary>A coordinator as a process of its own, whose processor time is its own as well.</summary>
internal sealed class CoordinatorProcess : IDisposable
{
    private const double TicksPerSecond = 100;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly Process _process;

    private CoordinatorProcess(Process process, HttpClient http, string endpoint) => (_process, Http, Endpoint) = (process, http, endpoint);

    /// <summary>Calls its HTTP API.</summary>
    public HttpClient Http { get; }

    /// <summary>Where it speaks gRPC.</summary>
    public string Endpoint { get; }

    /// <summary>The processor time that it has used so far, in seconds.</summary>
    public double ProcessorSeconds => Times(11, 12);

    /// <summary>The same with the processes that it has started and that have ended.</summary>
    public double TreeProcessorSeconds => Times(11, 12, 13, 14);

    /// <summary>Its resident memory, and the most that it ever was, in bytes.</summary>
    public (long Now, long Peak) Memory
    {
        get
        {
            var status = File.ReadAllLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{_process.Id}/status"));
            long Bytes(string name) => 1024 * long.Parse(status.First(line => line.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
            return (Bytes("VmRSS:"), Bytes("VmHWM:"));
        }
    }

    /// <summary>Starts it and waits until it answers.</summary>
    /// <exception cref="InvalidOperationException">It ended instead.</exception>
    public static Task<CoordinatorProcess> StartAsync(string program, string folder, CancellationToken cancellationToken) =>
        StartAsync(program, ["coordinator", "--data", folder, "--max-calls-per-second", "0"], cancellationToken);

    /// <summary>Starts a command that has a coordinator in it, and waits until that answers.</summary>
    /// <exception cref="InvalidOperationException">It ended instead.</exception>
    public static async Task<CoordinatorProcess> StartAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        var (grpc, web) = (FreePort(), FreePort());
        var start = new ProcessStartInfo(program, [.. arguments, "--listen", $"localhost:{grpc}", "--http", $"localhost:{web}"])
        {
            UseShellExecute = false,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        var process = Process.Start(start)!;
        var said = new StringBuilder();
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, line) => said.AppendLine(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = int.MaxValue, UseProxy = false }) { BaseAddress = new Uri($"http://localhost:{web}") };
        http.DefaultRequestHeaders.Add("X-Linformer", "1");
        var coordinator = new CoordinatorProcess(process, http, $"http://localhost:{grpc}");
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                using var answer = await http.GetAsync(new Uri("/api/v1/workers", UriKind.Relative), cancellationToken);
                if (answer.StatusCode == HttpStatusCode.OK)
                    return coordinator;
            }
            catch (HttpRequestException)
            {
                // Not yet.
            }
            if (process.HasExited || Stopwatch.GetElapsedTime(started) > Patience)
            {
                coordinator.Dispose();
                throw new InvalidOperationException($"The coordinator did not start: {said}");
            }
            await Task.Delay(50, cancellationToken);
        }
    }

    /// <summary>Submits a job file and gives the job's id.</summary>
    public async Task<string> SubmitAsync(string yaml, CancellationToken cancellationToken)
    {
        using var content = new StringContent(yaml, Encoding.UTF8, "application/yaml");
        using var answer = await Http.PostAsync(new Uri("/api/v1/jobs", UriKind.Relative), content, cancellationToken);
        var text = await answer.Content.ReadAsStringAsync(cancellationToken);
        return answer.IsSuccessStatusCode
            ? JsonNode.Parse(text)!["job"]!["id"]!.GetValue<string>()
            : throw new InvalidOperationException($"The job was not taken: {text}");
    }

    /// <summary>Ends it as SIGTERM does, and waits for its end.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        using (var kill = Process.Start("/bin/kill", ["-s", "TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]))
            await kill.WaitForExitAsync(cancellationToken);
        await _process.WaitForExitAsync(cancellationToken);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
        Http.Dispose();
    }

    // pid (name) state ppid …; behind the name, fields 11 and 12 are of the process itself, 13 and 14 of its ended children.
    private double Times(params ReadOnlySpan<int> places)
    {
        var stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{_process.Id}/stat"));
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        var ticks = 0L;
        foreach (var place in places)
        {
            ticks += long.Parse(fields[place], CultureInfo.InvariantCulture);
        }

        return ticks / TicksPerSecond;
    }

    internal static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
