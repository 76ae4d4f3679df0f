using System.Net;
using System.Net.Sockets;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Scheduling;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Sqlite;
using Linformer.Coordinator.Workers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Runtime.Hosting;

namespace Linformer.Coordinator.Tests;

/// <summary>The grains on a silo of their own, over the real stores in a folder; another cluster may take the folder over later.</summary>
internal sealed class TestCluster : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly IHost _host;
    private readonly CoordinatorDatabase _database;

    private TestCluster(IHost host, CoordinatorDatabase database)
    {
        _host = host;
        _database = database;
    }

    public IGrainFactory Grains => _host.Services.GetRequiredService<IGrainFactory>();

    public IJobStore Jobs => _host.Services.GetRequiredService<IJobStore>();

    public IHistoryStore History => _host.Services.GetRequiredService<IHistoryStore>();

    public IRosterStore Roster => _host.Services.GetRequiredService<IRosterStore>();

    public ITelemetryStore Telemetry => _host.Services.GetRequiredService<ITelemetryStore>();

    public ISchedulerGrain Scheduler => Grains.GetGrain<ISchedulerGrain>(0);

    /// <summary>Starts a cluster.</summary>
    /// <param name="folder">The database's folder.</param>
    /// <param name="leaseSeconds">The workers' lease.</param>
    /// <param name="scheduler">Whether the scheduler runs.</param>
    /// <param name="configure">Replaces services.</param>
    public static async Task<TestCluster> StartAsync(
        string folder, double leaseSeconds = 10, bool scheduler = true, Action<IServiceCollection>? configure = null)
    {
        var database = SqliteDatabase.Open(new SqliteDatabaseOptions(folder));
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(new ClusterTiming
        {
            StartedAt = TimeProvider.System.GetUtcNow(),
            Lease = TimeSpan.FromSeconds(leaseSeconds),
            HeartbeatInterval = TimeSpan.FromSeconds(leaseSeconds / 5),
        });
        builder.Services.AddSingleton<IJobStore>(new DatabaseJobStore(database));
        builder.Services.AddSingleton<IHistoryStore>(new DatabaseHistoryStore(database));
        builder.Services.AddSingleton<ITelemetryStore>(new DatabaseTelemetryStore(database));
        builder.Services.AddSingleton<IRosterStore>(new DatabaseRosterStore(database));
        builder.Services.AddSingleton<IEventLog>(new NoEvents());
        builder.Services.AddGrainStorage("coordinator", (_, _) => new DatabaseGrainStorage(database));
        configure?.Invoke(builder.Services);
        builder.UseOrleans(silo =>
        {
            var ports = FreePorts(2);
            silo.UseLocalhostClustering(ports[0], ports[1]);
        });
        var cluster = new TestCluster(builder.Build(), database);
        await cluster._host.StartAsync();
        if (scheduler)
            await cluster.Scheduler.Poke(CancellationToken.None);
        return cluster;
    }

    /// <summary>Submits a job as the service does.</summary>
    public async Task<string> SubmitAsync(string id, int min = 1, int max = 1)
    {
        var submission = Some.Submission(id, min, max) with { SubmittedAt = TimeProvider.System.GetUtcNow() };
        await Jobs.RecordSubmissionAsync("key-of-" + id, "sha", submission, CancellationToken.None);
        await Job(id).Create(submission, CancellationToken.None);
        await Scheduler.Poke(CancellationToken.None);
        return id;
    }

    public IJobGrain Job(string id) => Grains.GetGrain<IJobGrain>(id);

    public IWorkerGrain Worker(string name) => Grains.GetGrain<IWorkerGrain>(name);

    /// <summary>Waits until a job is in a state; fails with the state that it is in instead.</summary>
    public async Task<JobView> UntilAsync(string id, Func<JobView, bool> condition)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (true)
        {
            var view = await Job(id).Get(CancellationToken.None);
            if (view is not null && condition(view))
                return view;
            patience.IsCancellationRequested.ShouldBeFalse($"job {id} stays {view?.Phase}: {view?.Reason}");
            await Task.Delay(10, CancellationToken.None);
        }
    }

    public Task<JobView> UntilAsync(string id, JobPhase phase) => UntilAsync(id, view => view.Phase == phase);

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
        await _database.DisposeAsync();
    }

    private sealed class NoEvents : IEventLog
    {
        public void Note(EventRow row)
        {
        }
    }

    private static int[] FreePorts(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        Array.ForEach(listeners, listener => listener.Start());
        var ports = Array.ConvertAll(listeners, listener => ((IPEndPoint)listener.LocalEndpoint).Port);
        Array.ForEach(listeners, listener => listener.Stop());
        return ports;
    }
}
