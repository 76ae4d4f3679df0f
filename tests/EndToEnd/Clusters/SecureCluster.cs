using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Linformer.Chaos.Network;
using Linformer.Chaos.Processes;
using Tests.Shared;

namespace EndToEnd.Clusters;

/// <summary>
/// Three machines with a worker each, two of them with a coordinator, and a fourth with the database and the people. Everything
/// that crosses the network is TLS with the cluster's own certificates, the ranks' data plane excepted.
/// </summary>
internal sealed class SecureCluster : IAsyncDisposable
{
    private const int Machines = 3;
    private const int Office = 3;
    private const int Port = 7443;
    private const int HealthPort = 7480;

    private readonly MachineNetwork _network;
    private readonly List<(int Machine, LinformerProcess Process)> _processes = [];
    private readonly Dictionary<string, string> _tokens = [];
    private PostgresServer? _server;
    private string _database = "";

    private SecureCluster(Workspace workspace) => (Workspace, _network) = (workspace, new MachineNetwork(Machines + 1));

    public Workspace Workspace { get; }

    /// <summary>Both coordinators, as a command takes them.</summary>
    public static string Coordinators => $"https://{MachineNetwork.Address(0)}:{Port},https://{MachineNetwork.Address(1)}:{Port}";

    /// <summary>What nobody but its holder may ever see.</summary>
    public IEnumerable<string> Secrets => [.. _tokens.Values, JoinToken, PostgresServer.Password, Uri.EscapeDataString(PostgresServer.Password)];

    private string Certificates => Path.Combine(Workspace.Root, "certificates");

    private string Authority => Path.Combine(Certificates, "ca.pem");

    private string CoordinatorFolder => Path.Combine(Workspace.Root, "coordinator");

    private string JoinToken => File.ReadAllText(Path.Combine(CoordinatorFolder, "join-token")).Trim();

    private PostgresServer Server => _server!;

    public static async Task<SecureCluster> StartAsync(Workspace workspace)
    {
        Skip.IfNot(MachineNetwork.IsPossible, "network namespaces need root");
        Skip.If(PostgresServer.Missing is not null, PostgresServer.Missing);
        var cluster = new SecureCluster(workspace);
        try
        {
            await cluster.StartAsync();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the coordinator of a machine, 0 or 1.</summary>
    public LinformerProcess StartCoordinator(int machine) => Start(
        machine, "coordinator", "--data", Workspace.Root, "--http", "none", "--listen", $"{MachineNetwork.Address(machine)}:{Port}", "--lease", "3",
        "--tls-certificate", Certificate("server"), "--tls-key", Key("server"), "--worker-ca", Authority,
        "--database", $"{Server.Uri(_database)}?sslmode=verify-full&sslrootcert={Authority}", "--database-lease", "3",
        "--health", $"{MachineNetwork.Address(machine)}:{HealthPort}");

    /// <summary>Starts the worker of a machine; it shows a client certificate, or the join token.</summary>
    public LinformerProcess StartWorker(int machine, bool certificate)
    {
        string[] proof = certificate
            ? ["--tls-certificate", Certificate("worker"), "--tls-key", Key("worker")]
            : ["--join-token-file", Path.Combine(CoordinatorFolder, "join-token")];
        return Start(
            machine,
            ["worker", "--coordinator", Coordinators, "--ca", Authority, "--data", Workspace.Root, "--name", $"w{machine}", "--slots", "2",
                "--address", MachineNetwork.Address(machine), .. proof]);
    }

    /// <summary>Kills the coordinator of a machine; its worker stays.</summary>
    public void KillCoordinator(int machine) => _processes.First(one => one.Machine == machine).Process.Signal("KILL");

    /// <summary>Pulls a machine's cable and kills everything on it.</summary>
    public void Destroy(int machine)
    {
        _network.Cut(machine);
        foreach (var (_, process) in _processes.Where(one => one.Machine == machine))
        {
            int[] all = [process.Id, .. ProcessTable.Children(process.Id)];
            Array.ForEach(all, id => ProcessTable.Send(id, Signal.Kill));
        }
    }

    /// <summary>Makes a token for a user, who has it from then on.</summary>
    public async Task AddUserAsync(string user, string role) =>
        _tokens[user] = (await JsonAsync("admin", "tokens", "create", user, "--role", role)).GetProperty("secret").GetString()!;

    /// <summary>Runs a command as a user, from the office; null for nobody, who has no token.</summary>
    public async Task<CommandResult> RunAsync(string? user, params string[] arguments)
    {
        using var process = Client(user, [.. arguments, "--coordinator", Coordinators, "--ca", Authority]);
        return await process.WaitAsync();
    }

    /// <summary>Runs a command from the office that says itself where the coordinator is and what is trusted.</summary>
    public LinformerProcess Client(string? user, params string[] arguments)
    {
        string[] token = user is null ? [] : ["--token-file", TokenFile(user)];
        return LinformerProcess.StartOn(_network.On(Office), [.. arguments, .. token]);
    }

    public async Task<JsonElement> JsonAsync(string user, params string[] arguments)
    {
        var result = await RunAsync(user, [.. arguments, "--output", "json"]);
        result.ExitCode.ShouldBe(0, result.Error);
        return JsonDocument.Parse(result.Output).RootElement;
    }

    /// <summary>What a coordinator's health listener answers to the office: its status, or null where nobody answers.</summary>
    public async Task<HttpStatusCode?> HealthAsync(int machine, string path)
    {
        using var client = new HttpClient(new SocketsHttpHandler { ConnectCallback = ConnectAsync }) { Timeout = TimeSpan.FromSeconds(5) };
        try
        {
            using var answer = await client.GetAsync(new Uri($"http://{MachineNetwork.Address(machine)}:{HealthPort}{path}"));
            return answer.StatusCode;
        }
        catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException)
        {
            return null;
        }
    }

    public Task<T> SqlAsync<T>(string sql) => CastAsync<T>(Server.SqlAsync(_database, sql));

    /// <summary>Everything that the cluster's processes have written, by process.</summary>
    public IEnumerable<string> Output() => _processes.Select(one => one.Process.Error);

    /// <summary>All rows of all tables of the database, as text.</summary>
    public async Task<string> DumpAsync()
    {
        var text = await SqlAsync<string>("SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'public'");
        var rows = new List<string>();
        foreach (var table in text.Split(','))
        {
            rows.Add(await SqlAsync<string>($"SELECT coalesce(string_agg(t::text, chr(10)), '') FROM \"{table}\" t"));
        }

        return string.Join('\n', rows);
    }

    public async ValueTask DisposeAsync()
    {
        _processes.ForEach(one => one.Process.Dispose());
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        _network.Dispose();
    }

    private async Task StartAsync()
    {
        string[] hosts = [.. Enumerable.Range(0, Machines + 1).SelectMany(machine => new[] { "--host", MachineNetwork.Address(machine) })];
        await LinformerProcess.SucceedAsync(["certificates", "--to", Certificates, .. hosts]);
        _server = await PostgresServer.StartAsync(new PostgresPlace(_network.On(Office), MachineNetwork.Address(Office), Certificate("server"), Key("server")));
        _database = await _server.CreateDatabaseAsync();
        StartCoordinator(0);
        await Cluster.UntilAsync(async () => await HealthAsync(0, "/readyz") == HttpStatusCode.OK, "the first coordinator serves");
        _tokens["admin"] = (await File.ReadAllTextAsync(Path.Combine(CoordinatorFolder, "user-token"))).Trim();
        StartCoordinator(1);
        await Cluster.UntilAsync(async () => await HealthAsync(1, "/healthz") == HttpStatusCode.OK, "the second coordinator stands by");
        for (var machine = 0; machine < Machines; machine++)
        {
            StartWorker(machine, certificate: machine > 0);
        }

        await Cluster.UntilAsync(
            async () => (await JsonAsync("admin", "workers")).GetProperty("workers").EnumerateArray().Count(w => w.GetProperty("alive").GetBoolean()) == Machines,
            "all workers are alive",
            milliseconds: 500);
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
    {
        var socket = NamespaceSocket.Create(_network.Name(Office));
        await socket.ConnectAsync(context.DnsEndPoint, cancellation);
        return new NetworkStream(socket, ownsSocket: true);
    }

    private LinformerProcess Start(int machine, params string[] arguments)
    {
        var process = LinformerProcess.StartOn(_network.On(machine), arguments);
        _processes.Add((machine, process));
        return process;
    }

    private string Certificate(string name) => Path.Combine(Certificates, $"{name}.pem");

    private string Key(string name) => Path.Combine(Certificates, $"{name}.key");

    // Outside of what the workers mount would be better still; here all is one machine.
    private string TokenFile(string user)
    {
        var path = Path.Combine(Workspace.Root, $"{user}.token");
        File.WriteAllText(path, _tokens[user]);
        return path;
    }

    private static async Task<T> CastAsync<T>(Task<object?> value) => (T)(await value)!;
}
