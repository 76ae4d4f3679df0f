using System.Globalization;
using System.Net;
using System.Text.Json;
using Grpc.Core;
using Linformer.Chaos;
using Linformer.Chaos.Network;
using Linformer.Protocol.V1;
using Microsoft.Data.Sqlite;

namespace EndToEnd.Clusters;

/// <summary>A coordinator and workers as processes of this machine, each on a machine of a test network if there is one.</summary>
internal sealed class Cluster : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(6);

    private readonly MachineNetwork? _network;
    private readonly Dictionary<string, LinformerProcess> _workers = [];
    private readonly int _port = FreePort();
    // Asks how far things are: commands that ask again and again would take the processors from what they wait for.
    private readonly ClusterClient _client;
    private LinformerProcess? _coordinator;

    public Cluster(Workspace workspace, MachineNetwork? network = null)
    {
        (Workspace, _network) = (workspace, network);
        _client = new ClusterClient(IPEndPoint.Parse(Endpoint), network?.Name(0), () => File.Exists(Secret("user-token")) ? File.ReadAllText(Secret("user-token")).Trim() : null);
    }

    public Workspace Workspace { get; }

    /// <summary>What comes before the program of each worker, such as env NAME=VALUE.</summary>
    public IReadOnlyList<string> WorkerPrefix { get; init; } = [];

    /// <summary>What comes before the program of the coordinator.</summary>
    public IReadOnlyList<string> CoordinatorPrefix { get; init; } = [];

    public LinformerProcess Coordinator => _coordinator ?? throw new InvalidOperationException("The coordinator is not started.");

    /// <summary>Where the coordinator answers people on its own machine.</summary>
    public string Endpoint => string.Create(CultureInfo.InvariantCulture, $"{(_network is null ? "127.0.0.1" : MachineNetwork.Address(0))}:{_port}");

    private string Secret(string name) => Path.Combine(Workspace.Root, "coordinator", name);

    public async Task StartCoordinatorAsync(params string[] more)
    {
        _coordinator = LinformerProcess.StartOn(
            [.. On(0), .. CoordinatorPrefix], ["coordinator", "--data", Workspace.Root, "--http", "none", "--listen", Endpoint, "--lease", "6", .. more]);
        await UntilAnswerAsync(_coordinator, async () => await _client.WorkersAsync(CancellationToken.None) is not null, "the coordinator answers");
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

    public Task WaitForWorkersAsync(int count) => UntilAnswerAsync(
        Coordinator, async () => (await _client.WorkersAsync(CancellationToken.None)).Count(worker => worker.Alive) == count, $"{count} workers are alive");

    /// <summary>Submits a job file and gives the job's id.</summary>
    public async Task<string> SubmitAsync(string file, params string[] more) =>
        (await JsonAsync(["submit", file, .. more])).GetProperty("job").GetProperty("id").GetString()!;

    public Task<JsonElement> ShowAsync(string job) => JsonAsync("show", job);

    public async Task<string> StateAsync(string job) => (await ShowAsync(job)).GetProperty("job").GetProperty("state").GetString()!;

    public Task WaitForStateAsync(string job, string state) => WaitForJobAsync(
        job,
        now =>
        {
            var is_ = now.Job.State.ToString().ToLowerInvariant();
            if (is_ is "failed" or "cancelled" && is_ != state)
            {
                throw new InvalidOperationException($"{job} is {is_} rather than {state}: {now}");
            }

            return is_ == state;
        },
        $"{job} is {state}");

    public Task WaitForStepAsync(string job, long step) => WaitForJobAsync(job, now => now.Job.CommittedStep >= step, $"{job} is at step {step}");

    /// <summary>Waits until what the coordinator tells of a job is such.</summary>
    public Task WaitForJobAsync(string job, Predicate<JobDetails> fits, string what) =>
        UntilAnswerAsync(Coordinator, async () => fits(await _client.ShowAsync(job, CancellationToken.None)), what);

    /// <summary>
    /// Waits until steps are recorded up to one, and tells of the last. No command is run: a fault that follows comes within
    /// milliseconds, however fast the steps are.
    /// </summary>
    public async Task<long> WaitForRecordedStepAsync(string job, long step)
    {
        var last = 0L;
        await UntilAsync(() => Task.FromResult((last = Recorded(job, "coalesce(max(step), 0)")) >= step), $"step {step} of {job} is recorded", milliseconds: 5);
        return last;
    }

    /// <summary>Waits until each step of a job is recorded: the numbers of the last ones may come after the job's end.</summary>
    public Task WaitForAllStepsAsync(string job, long steps) =>
        UntilAsync(() => Task.FromResult(Recorded(job, "count(DISTINCT step)") == steps), $"all {steps} steps of {job} are recorded");

    /// <summary>A number of the steps of a job that are recorded, such as count(DISTINCT step).</summary>
    public long Recorded(string job, string number)
    {
        using var database = new SqliteConnection($"Data Source={Path.Combine(Workspace.Root, "coordinator", "linformer.db")};Mode=ReadOnly");
        database.Open();
        using var command = database.CreateCommand();
        command.CommandText = $"SELECT {number} FROM metrics WHERE job_id = $job";
        command.Parameters.AddWithValue("$job", job);
        return (long)command.ExecuteScalar()!;
    }

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

    public static async Task UntilAsync(Func<Task<bool>> condition, string what, int milliseconds = 50)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (!await condition())
        {
            if (limit.IsCancellationRequested)
            {
                throw new TimeoutException($"Waited in vain until {what}.");
            }

            await Task.Delay(milliseconds, CancellationToken.None);
        }
    }

    /// <summary>Waits for a coordinator's answer, which may fail to come for as long as its process is alive.</summary>
    public static Task UntilAnswerAsync(LinformerProcess coordinator, Func<Task<bool>> ask, string what) => UntilAsync(
        async () =>
        {
            try
            {
                return await ask();
            }
            catch (RpcException e) when (e.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Unauthenticated)
            {
                LinformerProcess.IsAlive(coordinator.Id).ShouldBeTrue(coordinator.Error);
                return false;
            }
        },
        what,
        milliseconds: 20);

    public static long Number(JsonElement value) =>
        value.ValueKind == JsonValueKind.String ? long.Parse(value.GetString()!, CultureInfo.InvariantCulture) : value.GetInt64();

    public ValueTask DisposeAsync()
    {
        foreach (var worker in _workers.Values)
        {
            worker.Dispose();
        }

        _coordinator?.Dispose();
        _client.Dispose();
        return ValueTask.CompletedTask;
    }

    public static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }

    private IReadOnlyList<string> On(int machine) => _network?.On(machine) ?? [];
}
