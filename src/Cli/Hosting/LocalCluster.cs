using System.Net;
using Linformer.Cli.Cluster;
using Linformer.Cli.Commands;
using Linformer.Cli.Commands.Options;
using Linformer.Coordinator;
using Linformer.Coordinator.Storage.Postgres;
using Linformer.Worker.Agents;
using Linformer.Worker.Machines;
using Serilog;

namespace Linformer.Cli.Hosting;

/// <summary>How a cluster on this machine looks.</summary>
internal sealed record LocalClusterOptions
{
    /// <summary>The storage root; the coordinator keeps its database below it, too.</summary>
    public required string DataFolder { get; init; }

    /// <summary>Where the coordinator listens.</summary>
    public required IReadOnlyList<string> Listen { get; init; }

    /// <summary>Where the dashboard and the HTTP API are served; empty for nowhere.</summary>
    public IReadOnlyList<string> HttpListen { get; init; } = [];

    /// <summary>How many workers there are.</summary>
    public int Workers { get; init; } = 2;

    /// <summary>Slots of each worker.</summary>
    public int Slots { get; init; } = 1;

    /// <summary>Whether jobs may run code of whoever submits them.</summary>
    public bool AllowPlugins { get; init; }

    /// <summary>A worker that says nothing for so long is lost.</summary>
    public TimeSpan Lease { get; init; } = new CoordinatorOptions { DataFolder = "" }.Lease;

    /// <summary>When a rank counts as hung and is killed.</summary>
    public WatchdogOptions Watchdog { get; init; } = new();

    /// <summary>The database's server; null for SQLite.</summary>
    public PostgresAddress? Database { get; init; }

    /// <summary>For how long the lease of a server's database is taken.</summary>
    public TimeSpan DatabaseLease { get; init; } = new CoordinatorOptions { DataFolder = "" }.DatabaseLease;
}

/// <summary>A coordinator and workers in this process. Only the ranks are processes of their own.</summary>
internal sealed class LocalCluster : IAsyncDisposable
{
    private readonly CoordinatorHost _coordinator;
    private readonly CancellationTokenSource _leave = new();
    private readonly Task[] _workers;

    private LocalCluster(CoordinatorHost coordinator, LocalClusterOptions options, ILogger logger)
    {
        _coordinator = coordinator;
        Address = AddressOf(coordinator);
        _workers = [.. Enumerable.Range(1, options.Workers).Select(number => RunWorkerAsync(number, options, logger))];
    }

    /// <summary>Where the coordinator answers on this machine.</summary>
    public CoordinatorAddress Address { get; }

    /// <summary>Where the dashboard is, for browsers on this machine; null without it.</summary>
    public Uri? Dashboard => _coordinator.HttpAddresses is [var first, ..] ? HttpOption.Dashboard(first) : null;

    /// <summary>Starts the coordinator, then the workers, which connect on their own.</summary>
    /// <param name="options">How it looks.</param>
    /// <param name="logger">The log of all of them.</param>
    /// <param name="cancellation">Ends the start.</param>
    public static async Task<LocalCluster> StartAsync(LocalClusterOptions options, ILogger logger, CancellationToken cancellation)
    {
        var coordinator = new CoordinatorOptions
        {
            DataFolder = options.DataFolder,
            Listen = [.. options.Listen],
            HttpListen = [.. options.HttpListen],
            Database = options.Database,
            DatabaseLease = options.DatabaseLease,
        };
        var host = await CoordinatorStart.StartAsync(coordinator.WithLease(options.Lease), logger, cancellation);
        return new LocalCluster(host, options, logger);
    }

    /// <summary>Waits until the coordinator or a worker ends by itself, which is an error, or until it is cancelled.</summary>
    /// <param name="cancellation">Ends the waiting.</param>
    public async Task WaitAsync(CancellationToken cancellation)
    {
        var cancelled = new TaskCompletionSource();
        await using var registration = cancellation.Register(() => cancelled.TrySetResult());
        var ended = await Task.WhenAny([.. _workers, _coordinator.WaitForShutdownAsync(cancellation), cancelled.Task]);
        if (cancellation.IsCancellationRequested)
            return;
        await ended;
        throw new CommandException("The coordinator has ended; its log says why.");
    }

    /// <summary>Lets the ranks write a checkpoint, then ends workers and coordinator. The jobs go on when they are started again.</summary>
    public async ValueTask DisposeAsync()
    {
        await _leave.CancelAsync();
        await Task.WhenAll(_workers).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _coordinator.DisposeAsync();
        _leave.Dispose();
    }

    private Task RunWorkerAsync(int number, LocalClusterOptions options, ILogger logger)
    {
        var name = $"local-{number}";
        var agent = new WorkerAgent(
            new WorkerAgentOptions
            {
                Coordinator = Address.Uri,
                JoinToken = _coordinator.JoinToken,
                Name = name,
                Slots = options.Slots,
                // All of them are on this machine.
                Processor = Processor.OfThisMachine with { MemoryBytes = Processor.OfThisMachine.MemoryBytes / Math.Max(1, options.Workers) },
                StorageRoot = options.DataFolder,
                Watchdog = options.Watchdog,
                RankProgram = RankProcessCommand.Self(),
                WarmRanks = WarmRanksOption.Default,
                AllowPlugins = options.AllowPlugins,
            },
            logger.ForContext("Worker", name));
        return agent.RunAsync(_leave.Token);
    }

    // One that listens everywhere answers on loopback, too.
    private static CoordinatorAddress AddressOf(CoordinatorHost coordinator)
    {
        var bound = coordinator.Addresses[0];
        var address = IPAddress.Parse(bound.DnsSafeHost);
        return new CoordinatorAddress(address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any) ? "127.0.0.1" : $"{address}", bound.Port);
    }
}
