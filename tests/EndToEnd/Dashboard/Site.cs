using System.Net;
using System.Text.Json;
using EndToEnd.Clusters;
using Linformer.Chaos;
using JobDetails = Linformer.Protocol.V1.JobDetails;

namespace EndToEnd.Dashboard;

/// <summary>A coordinator with its dashboard: <c>linformer up</c>, as a person has it on a laptop, or a coordinator alone.</summary>
internal sealed class Site : IAsyncDisposable
{
    private readonly int _grpc = Cluster.FreePort();
    private readonly int _http = Cluster.FreePort();
    private readonly string _command;
    private readonly string[] _more;
    private readonly ClusterClient _client;
    private LinformerProcess? _process;

    private Site(Workspace workspace, string command, string[] more)
    {
        (Workspace, _command, _more) = (workspace, command, more);
        _client = new ClusterClient(new IPEndPoint(IPAddress.Loopback, _grpc), networkNamespace: null, () => File.Exists(AdminTokenFile) ? File.ReadAllText(AdminTokenFile).Trim() : null);
    }

    /// <summary>Coordinator and workers, for whoever sits at the machine.</summary>
    public static Site Up(Workspace workspace, params string[] more) => new(workspace, "up", more);

    /// <summary>A coordinator without a worker, to which everybody shows a token.</summary>
    public static Site WithLogin(Workspace workspace) => new(workspace, "coordinator", ["--authentication", "always"]);

    public Workspace Workspace { get; }

    public string Address => $"http://localhost:{_http}";

    private string AdminTokenFile => Path.Combine(Workspace.Root, "coordinator", "user-token");

    public string Endpoint => $"localhost:{_grpc}";

    public async Task StartAsync()
    {
        // Ranks that train leave the processors to the browser.
        _process = LinformerProcess.StartOn(
            ["nice", "-n", "10"],
            [_command, "--data", Workspace.Root, "--listen", Endpoint, "--http", $"localhost:{_http}", "--lease", "6", .. _more]);
        using var http = new HttpClient();
        await Cluster.UntilAsync(
            async () =>
            {
                try
                {
                    return (await http.GetAsync(new Uri($"{Address}/api/v1/workers"))).StatusCode is HttpStatusCode.OK or HttpStatusCode.Unauthorized;
                }
                catch (HttpRequestException) when (LinformerProcess.IsAlive(_process.Id))
                {
                    return false;
                }
            },
            "the dashboard answers");
    }

    /// <summary>Ends it at once, as a crash does.</summary>
    public async Task KillAsync()
    {
        _process!.Signal("KILL");
        await _process.WaitAsync();
        _process.Dispose();
        _process = null;
    }

    /// <summary>The first admin's token.</summary>
    public async Task<string> AdminTokenAsync() => (await File.ReadAllTextAsync(AdminTokenFile)).Trim();

    /// <summary>Runs a client's command that must succeed.</summary>
    public Task<string> SucceedAsync(params string[] arguments) =>
        LinformerProcess.SucceedAsync([.. arguments, "--coordinator", Endpoint, .. File.Exists(AdminTokenFile) ? ["--token-file", AdminTokenFile] : Array.Empty<string>()]);

    /// <summary>The same with its result as JSON.</summary>
    public async Task<JsonElement> JsonAsync(params string[] arguments) => JsonDocument.Parse(await SucceedAsync([.. arguments, "--output", "json"])).RootElement;

    /// <summary>Waits until what the coordinator tells of a job is such; no command is run.</summary>
    public Task WaitForJobAsync(string job, Predicate<JobDetails> fits, string what) =>
        Cluster.UntilAnswerAsync(_process!, async () => fits(await _client.ShowAsync(job, CancellationToken.None)), what);

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        _process?.Dispose();
        _process = null;
        return ValueTask.CompletedTask;
    }
}
