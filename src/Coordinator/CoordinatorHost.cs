using System.Net;
using System.Runtime.ExceptionServices;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Scheduling;
using Linformer.Coordinator.Services;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Postgres;
using Linformer.Coordinator.Storage.Sqlite;
using Linformer.Coordinator.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Serilog;

namespace Linformer.Coordinator;

/// <summary>A coordinator in this process: the database, the silo, and the gRPC services.</summary>
public sealed class CoordinatorHost : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly CoordinatorDatabase _database;
    private readonly BootstrapTokens _bootstrap;
    private readonly ILogger _logger;
    private int _disposed;

    private CoordinatorHost(WebApplication app, int listeners, CoordinatorDatabase database, BootstrapTokens bootstrap, ILogger logger)
    {
        _app = app;
        _database = database;
        _logger = logger;
        _bootstrap = bootstrap;
        // In the order in which they were asked for.
        var addresses = app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Select(address => new Uri(address)).ToList();
        Addresses = addresses[..listeners];
        HttpAddresses = addresses[listeners..];
        _ = StopWhenLostAsync();
    }

    /// <summary>Where gRPC is served, such as <c>https://127.0.0.1:7070</c>, with the real ports; <c>http</c> without a certificate.</summary>
    public IReadOnlyList<Uri> Addresses { get; }

    /// <summary>Where the dashboard and the HTTP API are served, with the real ports; empty for nowhere.</summary>
    public IReadOnlyList<Uri> HttpAddresses { get; }

    /// <summary>A token with which workers join: the first of the file.</summary>
    public string JoinToken => _bootstrap.Join.First;

    /// <summary>A token of the user <c>admin</c>, for those who come from other machines: the first of the file.</summary>
    public string UserToken => _bootstrap.Admin.First;

    /// <summary>All that is served, and who may call it.</summary>
    public IReadOnlyList<CoordinatorRoute> Routes =>
        [.. _app.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>().Select(CoordinatorRoute.Of)];

    /// <summary>This coordinator's epoch.</summary>
    public long Epoch => _database.Epoch;

    /// <summary>Starts a coordinator; returns once it serves.</summary>
    /// <param name="options">How it runs.</param>
    /// <param name="logger">Its log; stays the caller's.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <exception cref="FolderInUseException">Another coordinator works in the data folder.</exception>
    /// <exception cref="StorageException">The database or the tokens cannot be used.</exception>
    /// <exception cref="Scaling.KubernetesException">Workers are to be scaled, and this is no pod that could.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="FormatException">An address to listen on, or a public one, is none.</exception>
    /// <exception cref="IOException">An address cannot be listened on.</exception>
    public static async Task<CoordinatorHost> StartAsync(CoordinatorOptions options, ILogger logger, CancellationToken cancellationToken)
    {
        Check(options);
        var listen = options.Listen.Select(ListenAddress.Parse).ToList();
        var http = options.HttpListen.Select(ListenAddress.Parse).ToList();
        List<ListenAddress> all = [.. listen, .. http];
        foreach (var address in options.PublicAddresses)
            PublicAddress.Parse(address);
        Exposure.Check(options, all);
        // Before the lease is taken, which would make agents obey a coordinator that cannot serve them.
        ListenAddress.CheckFree(all);
        logger = CalmLog.Over(logger, TimeProvider.System);
        // The lease first: a silo of a coordinator that may not write must never start.
        var database = await OpenDatabaseAsync(options, logger, cancellationToken);
        WebApplication? app = null;
        CoordinatorHost host;
        try
        {
            Directory.CreateDirectory(options.CoordinatorFolder);
            var bootstrap = BootstrapTokens.Load(options, what => logger.Warning("{What:l}", what));
            var book = await TokenBook.LoadAsync(new DatabaseTokenStore(database), TimeProvider.System, cancellationToken);
            app = CoordinatorApp.Build(options, listen, http, database, bootstrap, book, StorageId.LoadOrCreate(options.DataFolder), logger);
            cancellationToken.ThrowIfCancellationRequested();
            // A whole start can be stopped in order, half of one cannot.
            await app.StartAsync(CancellationToken.None);
            host = new CoordinatorHost(app, listen.Count, database, bootstrap, logger);
            app.Services.GetRequiredService<IEventLog>().Note(new EventRow
            {
                At = TimeProvider.System.GetUtcNow(),
                Kind = EventKind.Coordinator,
                What = "started",
                Why = $"epoch {database.Epoch}, version {ClusterService.Version}, on {Environment.MachineName}",
            });
            logger.Information(
                "Coordinator of epoch {Epoch} serves {DataFolder:l} at {Addresses:l}, with the database {Database:l}",
                database.Epoch, options.DataFolder, string.Join(", ", host.Addresses), database.Name);
            if (host.HttpAddresses.Count > 0)
                logger.Information("The dashboard and the HTTP API are at {Addresses:l}", string.Join(", ", host.HttpAddresses));
            foreach (var warning in Exposure.Warnings(options, all))
                logger.Warning("{Warning:l}", warning);
        }
        catch
        {
            if (app is not null)
                await app.DisposeAsync();
            await database.DisposeAsync();
            throw;
        }
        if (!cancellationToken.IsCancellationRequested)
            return host;
        await host.DisposeAsync();
        throw new OperationCanceledException(cancellationToken);
    }

    /// <summary>Returns when the scheduler has given a sign of life.</summary>
    /// <exception cref="TimeoutException">It has not answered in time.</exception>
    public Task AnswerAsync(CancellationToken cancellationToken) =>
        _app.Services.GetRequiredService<IGrainFactory>().GetGrain<ISchedulerGrain>(0).Poke(cancellationToken);

    /// <summary>Returns once what metrics tell of jobs, workers and corpora is new, or after a few seconds in which it could not be had.</summary>
    public Task RefreshMetricsAsync(CancellationToken cancellationToken) => MetricsEndpoint.RefreshAsync(_app.Services.GetRequiredService<ClusterGauges>(), cancellationToken);

    /// <summary>Returns when the coordinator has been told to stop, or may not go on.</summary>
    /// <exception cref="FencedException">Another coordinator has taken the lease.</exception>
    /// <exception cref="DatabaseUnreachableException">The database was away for too long; another coordinator may have it by now.</exception>
    public async Task WaitForShutdownAsync(CancellationToken cancellationToken)
    {
        var stopping = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = _app.Lifetime.ApplicationStopping.Register(() => stopping.TrySetResult());
        await stopping.Task.WaitAsync(cancellationToken);
        if (_database.Lost.IsCompleted)
            ExceptionDispatchInfo.Throw(await _database.Lost);
    }

    /// <summary>Stops: says goodbye to agents and watchers, ends the silo, commits what is queued, and drops the lock.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        try
        {
            await _app.StopAsync(CancellationToken.None);
        }
        catch (Exception exception)
        {
            _logger.Warning(exception, "The coordinator did not stop cleanly");
        }
        await _app.DisposeAsync();
        await _database.DisposeAsync();
    }

    private async Task StopWhenLostAsync()
    {
        var reason = await _database.Lost;
        _logger.Fatal("{Reason:l}", reason.Message);
        _app.Lifetime.StopApplication();
    }

    private static async Task<CoordinatorDatabase> OpenDatabaseAsync(CoordinatorOptions options, ILogger logger, CancellationToken cancellationToken)
    {
        if (options.Database is not { } address)
            return SqliteDatabase.Open(new SqliteDatabaseOptions(options.CoordinatorFolder) { MaximumBytes = options.MaximumDatabaseBytes });
        var database = new PostgresDatabaseOptions(address)
        {
            LeaseDuration = options.DatabaseLease,
            RenewalInterval = options.DatabaseLease / 3,
            StandbyInterval = options.DatabaseLease / 12,
            WaitForServer = options.WaitForDatabase,
        };
        return await PostgresDatabase.OpenAsync(database, what => logger.Information("{What:l}", what), cancellationToken);
    }

    private static void Check(CoordinatorOptions options)
    {
        if (options.Listen.Count == 0)
            throw new ArgumentException("Listen is empty; at least one HOST:PORT is needed.", nameof(options));
        if (options.HeartbeatInterval < TimeSpan.FromMilliseconds(50) || options.HeartbeatInterval > TimeSpan.FromMinutes(10))
            throw new ArgumentException($"HeartbeatInterval is {options.HeartbeatInterval}; 50 ms to 10 min are allowed.", nameof(options));
        if (options.Lease < 2 * options.HeartbeatInterval || options.Lease > TimeSpan.FromHours(1))
            throw new ArgumentException($"Lease is {options.Lease}; twice the heartbeat interval ({2 * options.HeartbeatInterval}) to 1 h are allowed.", nameof(options));
        if (options.DatabaseLease < TimeSpan.FromSeconds(1) || options.DatabaseLease > TimeSpan.FromMinutes(1))
            throw new ArgumentException($"DatabaseLease is {options.DatabaseLease}; 1 s to 1 min are allowed.", nameof(options));
        if (options.Limits is not { UnfinishedJobs: >= 0, CallsPerSecond: >= 0, CallBurst: >= 0, WrongTokensPerMinute: > 0 })
            throw new ArgumentException($"{options.Limits}: WrongTokensPerMinute has to be 1 or more, the others 0 or more.", nameof(options));
        if ((long)options.Limits.CallsPerSecond + options.Limits.CallBurst > int.MaxValue)
            throw new ArgumentException($"CallsPerSecond and CallBurst are {options.Limits.CallsPerSecond} and {options.Limits.CallBurst}; together at most {int.MaxValue} are allowed.", nameof(options));
        if (options.Retention.BatchRows < 1 || options.Retention.Interval <= TimeSpan.Zero || options.Retention.Interval > TimeSpan.FromDays(1))
            throw new ArgumentException($"{options.Retention}: BatchRows has to be 1 or more, and Interval more than zero and at most 1 day.", nameof(options));
        if (options is { WorkerAuthorities: not null, Certificate: null })
            throw new ArgumentException("WorkerAuthorities is set and Certificate is not: without TLS no worker can show a certificate (--worker-ca needs --tls-certificate and --tls-key).", nameof(options));
        foreach (var port in new[] { options.SiloPort, options.GatewayPort })
        {
            if (port is < 0 or > IPEndPoint.MaxPort)
                throw new ArgumentException($"A silo port is {port}; 0 to {IPEndPoint.MaxPort} are allowed.", nameof(options));
        }
    }
}
