using System.Globalization;
using System.Text.Json;
using Linformer.Chaos.Network;

namespace EndToEnd.Clusters;

/// <summary>A coordinator and workers as processes of this machine, each on a machine of a test network if there is one.</summary>
internal sealed class Cluster : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly MachineNetwork? _network;
    private readonly Dictionary<string, LinformerProcess> _workers = [];
    private readonly int _port = FreePort();
    private LinformerProcess? _coordinator;

    public Cluster(Workspace workspace, MachineNetwork? network = null) => (Workspace, _network) = (workspace, network);

    public Workspace Workspace { get; }

    /// <summary>What comes before the program of each worker, such as env NAME=VALUE.</summary>
    public IReadOnlyList<string> WorkerPrefix { get; init; } = [];

    public LinformerProcess Coordinator => _coordinator ?? throw new InvalidOperationException("The coordinator is not started.");

    /// <summary>Where the coordinator answers people on its own machine.</summary>
    public string Endpoint => string.Create(CultureInfo.InvariantCulture, $"{(_network is null ? "127.0.0.1" : MachineNetwork.Address(0))}:{_port}");

    private string Secret(string name) => Path.Combine(Workspace.Root, "coordinator", name);

    public async Task StartCoordinatorAsync()
    {
        _coordinator = LinformerProcess.StartOn(
            On(0), "coordinator", "--data", Workspace.Root, "--listen", Endpoint, "--lease", "3");
        await UntilAsync(async () => (await RunAsync("jobs")).ExitCode == 0, "the coordinator answers");
    }

    public void StartWorker(string name, int machine = 0, int slots = 1, params string[] more)
    {
        var address = _network is null ? "127.0.0.1" : MachineNetwork.Address(machine);
        _workers[name] = LinformerProcess.StartOn(
            [.. On(machine), .. WorkerPrefix],
            ["worker", "--coordinator", Endpoint, "--data", Workspace.Root, "--name", name, "--slots", $"{slots}", "--address", address,
                "--join-token-file", Secret("join-token"), .. more]);
    }

    public LinformerProcess Worker(string name) => _workers[name];

    public Task WaitForWorkersAsync(int count) => UntilAsync(
        async () => (await JsonAsync("workers")).GetProperty("workers").EnumerateArray().Count(w => w.GetProperty("alive").GetBoolean()) == count,
        $"{count} workers are alive");

    /// <summary>Submits a job file and gives the job's id.</summary>
    public async Task<string> SubmitAsync(string file, params string[] more) =>
        (await JsonAsync(["submit", file, .. more])).GetProperty("job").GetProperty("id").GetString()!;

    public Task<JsonElement> ShowAsync(string job) => JsonAsync("show", job);

    public async Task<string> StateAsync(string job) => (await ShowAsync(job)).GetProperty("job").GetProperty("state").GetString()!;

    public Task WaitForStateAsync(string job, string state) => UntilAsync(
        async () =>
        {
            var now = await ShowAsync(job);
            var is_ = now.GetProperty("job").GetProperty("state").GetString()!;
            if (is_ is "failed" or "cancelled" && is_ != state)
            {
                throw new InvalidOperationException($"{job} is {is_} rather than {state}: {now}");
            }

            return is_ == state;
        },
        $"{job} is {state}");

    public Task WaitForStepAsync(string job, long step) => UntilAsync(
        async () => Number((await ShowAsync(job)).GetProperty("job").GetProperty("committedStep")) >= step, $"{job} is at step {step}");

    /// <summary>What the history tells, an entry a line.</summary>
    public async Task<IReadOnlyList<string>> HistoryAsync(string job) =>
    [
        .. (await ShowAsync(job)).GetProperty("history").EnumerateArray()
            .Select(e => $"{e.GetProperty("who").GetString()}: {e.GetProperty("what").GetString()} ({e.GetProperty("why").GetString()}) -> {e.GetProperty("state").GetString()}"),
    ];

    /// <summary>Runs a client's command on the coordinator's machine.</summary>
    public async Task<CommandResult> RunAsync(params string[] arguments)
    {
        using var process = Client(arguments);
        return await process.WaitAsync();
    }

    public LinformerProcess Client(params string[] arguments)
    {
        var token = Secret("user-token");
        return LinformerProcess.StartOn(
            On(0), [.. arguments, "--coordinator", Endpoint, .. File.Exists(token) ? ["--token-file", token] : Array.Empty<string>()]);
    }

    public async Task<JsonElement> JsonAsync(params string[] arguments)
    {
        var result = await RunAsync([.. arguments, "--output", "json"]);
        result.ExitCode.ShouldBe(0, result.Error);
        return JsonDocument.Parse(result.Output).RootElement;
    }

    public static async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (!await condition())
        {
            if (limit.IsCancellationRequested)
            {
                throw new TimeoutException($"Waited in vain until {what}.");
            }

            await Task.Delay(50, CancellationToken.None);
        }
    }

    public static long Number(JsonElement value) =>
        value.ValueKind == JsonValueKind.String ? long.Parse(value.GetString()!, CultureInfo.InvariantCulture) : value.GetInt64();

    public ValueTask DisposeAsync()
    {
        foreach (var worker in _workers.Values)
        {
            worker.Dispose();
        }

        _coordinator?.Dispose();
        return ValueTask.CompletedTask;
    }

    private static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }

    private IReadOnlyList<string> On(int machine) => _network?.On(machine) ?? [];
}
