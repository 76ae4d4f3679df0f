using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Linformer.Chaos.Network;
using Linformer.Chaos.Processes;

namespace Linformer.Chaos;

/// <summary>How a cluster is laid out.</summary>
/// <param name="Program">The <c>linformer</c> program.</param>
/// <param name="Workers">Workers, each on a machine of its own where there is a network.</param>
/// <param name="Slots">Slots of each.</param>
/// <param name="Networked">Whether each process gets a machine on a network that can be cut; needs root.</param>
public sealed record ClusterLayout(string Program, int Workers, int Slots = 1, bool Networked = false)
{
    /// <summary>The lease of workers, in seconds; null for the program's default.</summary>
    public double? Lease { get; init; } = 3;
}

/// <summary>A coordinator and workers as processes of this machine. Workers have numbers from 1 on; 0 is the coordinator's machine.</summary>
public sealed class ChaosCluster : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly ClusterLayout _layout;
    private readonly int _port = FreePort();
    private readonly Dictionary<int, OwnedProcess> _workers = [];
    private OwnedProcess? _coordinator;

    /// <summary>Prepares a cluster; nothing is started yet.</summary>
    /// <param name="storage">Its storage.</param>
    /// <param name="layout">Its processes.</param>
    public ChaosCluster(ChaosStorage storage, ClusterLayout layout)
    {
        (Storage, _layout) = (storage, layout);
        Network = layout.Networked ? new MachineNetwork(layout.Workers + 1) : null;
        Client = new ClusterClient(
            new IPEndPoint(IPAddress.Parse(Address(0)), _port), Network?.Name(0),
            () => File.Exists(Secret("user-token")) ? File.ReadAllText(Secret("user-token")).Trim() : null);
    }

    /// <summary>What marks the cluster's processes.</summary>
    public string Mark { get; } = Guid.NewGuid().ToString("N");

    /// <summary>Its storage.</summary>
    public ChaosStorage Storage { get; }

    /// <summary>Its network, if it has one.</summary>
    public MachineNetwork? Network { get; }

    /// <summary>A client of its coordinator.</summary>
    public ClusterClient Client { get; }

    /// <summary>How many workers it has.</summary>
    public int Workers => _layout.Workers;

    /// <summary>The coordinator's process.</summary>
    public OwnedProcess Coordinator => _coordinator ?? throw new InvalidOperationException("The coordinator is not started.");

    /// <summary>A worker's process.</summary>
    /// <param name="number">From 1 on.</param>
    public OwnedProcess Worker(int number) => _workers[number];

    /// <summary>A worker's name.</summary>
    public static string NameOf(int number) => $"w{number}";

    /// <summary>The rank processes that a worker has started and that live.</summary>
    public IReadOnlyList<int> RanksOf(int number) => [.. ProcessTable.Children(_workers[number].Id).Where(child => !ProcessTable.IsSilent(child))];

    /// <summary>Starts everything and waits until all workers have joined.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        StartCoordinator();
        await WaitForCoordinatorAsync(cancellationToken);
        for (var number = 1; number <= Workers; number++)
            StartWorker(number);
        await UntilAsync(
            async () => (await Client.WorkersAsync(cancellationToken)).Count(worker => worker.Alive) == Workers,
            $"{Workers} workers have joined", Patience, cancellationToken);
    }

    /// <summary>Starts the coordinator, again if it has ended.</summary>
    public void StartCoordinator()
    {
        _coordinator?.Dispose();
        _coordinator = Start(0, "coordinator", ["coordinator", "--data", Storage.Root, "--http", "none", "--listen", $"{Address(0)}:{_port}",
            .. _layout.Lease is { } lease ? ["--lease", $"{lease}"] : Array.Empty<string>()]);
    }

    /// <summary>Waits until the coordinator answers.</summary>
    public Task WaitForCoordinatorAsync(CancellationToken cancellationToken) => UntilAsync(
        async () =>
        {
            await Client.WorkersAsync(cancellationToken);
            return true;
        },
        "the coordinator answers", Patience, cancellationToken);

    /// <summary>Starts a worker, again if it has ended.</summary>
    /// <param name="number">From 1 on.</param>
    public void StartWorker(int number)
    {
        if (_workers.TryGetValue(number, out var before))
            before.Dispose();
        _workers[number] = Start(number, NameOf(number), ["worker", "--coordinator", $"{Address(0)}:{_port}", "--data", Storage.Root,
            "--name", NameOf(number), "--slots", $"{_layout.Slots}", "--address", Address(number), "--join-token-file", Secret("join-token")]);
    }

    /// <summary>Runs a command of the program, not on the network.</summary>
    /// <param name="name">What its log is called.</param>
    /// <param name="arguments">The command.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Its exit code and where its output is.</returns>
    public async Task<(int ExitCode, string LogFile)> RunAsync(string name, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        using var process = OwnedProcess.Start([_layout.Program, .. arguments], Mark, Path.Combine(Storage.Logs, $"{name}.log"));
        return (await process.WaitAsync(cancellationToken), process.LogFile);
    }

    /// <summary>Lets all processes end by SIGTERM; those that do not within the patience are killed and told.</summary>
    /// <param name="patience">For all of them together.</param>
    /// <returns>The names of those that had to be killed.</returns>
    public async Task<IReadOnlyList<string>> StopAsync(TimeSpan patience)
    {
        var stubborn = new List<string>();
        using var limit = new CancellationTokenSource(patience);
        var all = _workers.Select(worker => (Name: NameOf(worker.Key), Process: worker.Value)).ToList();
        if (_coordinator is not null)
            all.Add(("coordinator", _coordinator));
        foreach (var (name, process) in all)
        {
            process.Send(Signal.Continue);
            process.Send(Signal.Terminate);
            try
            {
                await process.WaitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                stubborn.Add(name);
                process.Send(Signal.Kill);
            }
        }

        return stubborn;
    }

    /// <summary>Living processes of the cluster, whoever their parents are.</summary>
    public IReadOnlyList<int> Processes() => ProcessTable.WithVariable(OwnedProcess.MarkVariable, Mark);

    /// <summary>Waits until something holds; calls that the coordinator does not answer count as "not yet".</summary>
    /// <exception cref="TimeoutException">It took too long.</exception>
    public static async Task UntilAsync(Func<Task<bool>> condition, string what, TimeSpan patience, CancellationToken cancellationToken)
    {
        var limit = DateTime.UtcNow + patience;
        while (true)
        {
            try
            {
                if (await condition())
                    return;
            }
            catch (RpcException) when (!cancellationToken.IsCancellationRequested)
            {
            }

            if (DateTime.UtcNow > limit)
                throw new TimeoutException($"Waited {patience.TotalSeconds:0} s in vain until {what}.");
            await Task.Delay(50, cancellationToken);
        }
    }

    /// <summary>Ends all processes at once and takes the network away.</summary>
    public ValueTask DisposeAsync()
    {
        Client.Dispose();
        foreach (var worker in _workers.Values)
            worker.Dispose();
        _coordinator?.Dispose();
        foreach (var process in Processes())
            ProcessTable.Send(process, Signal.Kill);
        Network?.Dispose();
        return ValueTask.CompletedTask;
    }

    private string Secret(string name) => Path.Combine(Storage.Root, "coordinator", name);

    private string Address(int machine) => Network is null ? "127.0.0.1" : MachineNetwork.Address(machine);

    private OwnedProcess Start(int machine, string name, string[] arguments) => OwnedProcess.Start(
        [.. Network?.On(machine) ?? [], _layout.Program, .. arguments], Mark, Path.Combine(Storage.Logs, $"{name}.log"));

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
