using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Tests.Shared;

namespace EndToEnd.Clusters;

/// <summary>Two coordinators on one PostgreSQL database, and workers that know both.</summary>
internal sealed class TwoCoordinators : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(6);

    private readonly List<LinformerProcess> _processes = [];
    private readonly string _database;

    private TwoCoordinators(Workspace workspace, PostgresServer server, string database) => (Workspace, Server, _database) = (workspace, server, database);

    public Workspace Workspace { get; }

    public PostgresServer Server { get; }

    public int[] Ports { get; } = [FreePort(), FreePort()];

    /// <summary>Both, as a command takes them.</summary>
    public string Addresses => $"127.0.0.1:{Ports[0]},127.0.0.1:{Ports[1]}";

    public static async Task<TwoCoordinators> CreateAsync(Workspace workspace)
    {
        Skip.If(PostgresServer.Missing is not null, PostgresServer.Missing);
        var server = await PostgresServer.StartAsync();
        return new TwoCoordinators(workspace, server, await server.CreateDatabaseAsync());
    }

    public LinformerProcess StartCoordinator(int number, double lease = 3) => Start(
        "coordinator", "--data", Workspace.Root, "--http", "none", "--listen", $"127.0.0.1:{Ports[number]}",
        "--database", Server.Uri(_database), "--database-lease", lease.ToString(CultureInfo.InvariantCulture));

    /// <summary>Starts the first, waits until it serves, then starts the second, and waits until it stands by.</summary>
    public async Task<(LinformerProcess Active, LinformerProcess Standby)> StartBothAsync(double lease = 3)
    {
        var active = StartCoordinator(0, lease);
        await ServesAsync(0);
        var standby = StartCoordinator(1, lease);
        await UntilAsync(() => Task.FromResult(standby.Error.Contains("stands by", StringComparison.Ordinal)), "the second stands by");
        return (active, standby);
    }

    public LinformerProcess StartWorker(string name, int slots) => Start(
        "worker", "--coordinator", Addresses, "--data", Workspace.Root, "--name", name, "--slots", $"{slots}", "--address", "127.0.0.1",
        "--join-token-file", Path.Combine(Workspace.Root, "coordinator", "join-token"));

    public LinformerProcess Start(params string[] arguments)
    {
        var process = LinformerProcess.Start(arguments);
        _processes.Add(process);
        return process;
    }

    /// <summary>Waits until a coordinator accepts connections, and says how long that took.</summary>
    public async Task<TimeSpan> ServesAsync(int number)
    {
        var started = Stopwatch.GetTimestamp();
        await UntilAsync(() => AcceptsAsync(Ports[number]), $"coordinator {number} serves");
        return Stopwatch.GetElapsedTime(started);
    }

    public static async Task<bool> AcceptsAsync(int port)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    public async Task<string> SubmitAsync(string file) => (await JsonAsync("submit", file)).GetProperty("job").GetProperty("id").GetString()!;

    public async Task<JsonElement> JobAsync(string job) => (await JsonAsync("show", job)).GetProperty("job");

    /// <summary>Waits until a job has ended, without asking a coordinator, and looks how.</summary>
    public async Task WaitForEndAsync(string job, string state)
    {
        await UntilAsync(async () => await SqlAsync<int>($"SELECT ended FROM jobs WHERE job_id = '{job}'") != 0, $"{job} has ended");
        (await JobAsync(job)).GetProperty("state").GetString().ShouldBe(state, job);
    }

    /// <summary>Waits until steps are recorded beyond one, without asking a coordinator.</summary>
    public Task WaitForStepAsync(string job, long step) => UntilAsync(
        async () => await LastStepAsync(job) > step, $"{job} is beyond step {step}");

    /// <summary>The last step that is recorded, 0 if there is none.</summary>
    public Task<long> LastStepAsync(string job) => SqlAsync<long>($"SELECT coalesce(max(step), 0) FROM metrics WHERE job_id = '{job}'");

    public Task CancelAsync(string job) => JsonAsync("cancel", job);

    public async Task<T> SqlAsync<T>(string sql) => (T)(await Server.SqlAsync(_database, sql))!;

    public Task SqlAsync(string sql) => Server.SqlAsync(_database, sql);

    public static async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (!await condition())
        {
            limit.IsCancellationRequested.ShouldBeFalse($"Waited in vain until {what}.");
            await Task.Delay(10, CancellationToken.None);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _processes.ForEach(process => process.Dispose());
        await Server.DisposeAsync();
    }

    private async Task<JsonElement> JsonAsync(params string[] arguments)
    {
        using var process = LinformerProcess.Start([.. arguments, "--coordinator", Addresses, "--output", "json"]);
        var result = await process.WaitAsync();
        result.ExitCode.ShouldBe(0, result.Error);
        return JsonDocument.Parse(result.Output).RootElement;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
