using System.Net;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Serilog;

namespace Linformer.Coordinator;

/// <summary>A coordinator in this process: the database, the silo, and the gRPC services.</summary>
public sealed class CoordinatorHost : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly CoordinatorDatabase _database;
    private readonly CancellationTokenRegistration _fenced;
    private readonly ILogger _logger;
    private int _disposed;

    private CoordinatorHost(WebApplication app, CoordinatorDatabase database, CoordinatorTokens tokens, ILogger logger)
    {
        _app = app;
        _database = database;
        _logger = logger;
        JoinToken = tokens.Join;
        UserToken = tokens.User;
        Addresses = [.. app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Select(address => new Uri(address))];
        _fenced = database.Fenced.Register(() =>
        {
            logger.Fatal("Another coordinator has taken the lease of {Database:l}; this one ends", database.Path);
            app.Lifetime.StopApplication();
        });
    }

    /// <summary>Where gRPC is served, such as <c>http://127.0.0.1:7070</c>, with the real ports.</summary>
    public IReadOnlyList<Uri> Addresses { get; }

    /// <summary>The token with which workers join.</summary>
    public string JoinToken { get; }

    /// <summary>The token of people who come from other machines.</summary>
    public string UserToken { get; }

    /// <summary>This coordinator's epoch.</summary>
    public long Epoch => _database.Epoch;

    /// <summary>Starts a coordinator; returns once it serves.</summary>
    /// <param name="options">How it runs.</param>
    /// <param name="logger">Its log; stays the caller's.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <exception cref="FolderInUseException">Another coordinator works in the data folder.</exception>
    /// <exception cref="StorageException">The database or the tokens cannot be used.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="FormatException">An address to listen on is none.</exception>
    /// <exception cref="IOException">An address cannot be listened on.</exception>
    public static async Task<CoordinatorHost> StartAsync(CoordinatorOptions options, ILogger logger, CancellationToken cancellationToken)
    {
        Check(options);
        var listen = options.Listen.Select(ListenAddress.Parse).ToList();
        // Before the lease is taken, which would make agents obey a coordinator that cannot serve them.
        ListenAddress.CheckFree(listen);
        logger = CalmLog.Over(logger, TimeProvider.System);
        // The lease first: a silo of a coordinator that may not write must never start.
        var database = CoordinatorDatabase.Open(
            new CoordinatorDatabaseOptions(options.CoordinatorFolder) { MaximumBytes = options.MaximumDatabaseBytes });
        WebApplication? app = null;
        try
        {
            var tokens = CoordinatorTokens.LoadOrCreate(options.CoordinatorFolder);
            app = CoordinatorApp.Build(options, listen, database, tokens, StorageId.LoadOrCreate(options.DataFolder), logger);
            await app.StartAsync(cancellationToken);
            var host = new CoordinatorHost(app, database, tokens, logger);
            logger.Information("Coordinator of epoch {Epoch} serves {DataFolder:l} at {Addresses:l}", database.Epoch, options.DataFolder, string.Join(", ", host.Addresses));
            return host;
        }
        catch
        {
            if (app is not null)
                await app.DisposeAsync();
            await database.DisposeAsync();
            throw;
        }
    }

    /// <summary>Returns when the coordinator has been told to stop, or may not go on.</summary>
    /// <exception cref="FencedException">Another coordinator has taken the lease.</exception>
    public async Task WaitForShutdownAsync(CancellationToken cancellationToken)
    {
        var stopping = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = _app.Lifetime.ApplicationStopping.Register(() => stopping.TrySetResult());
        await stopping.Task.WaitAsync(cancellationToken);
        if (_database.Fenced.IsCancellationRequested)
            throw new FencedException($"Another coordinator has taken the lease of the database {_database.Path}; this one has ended.");
    }

    /// <summary>Stops: says goodbye to agents and watchers, ends the silo, commits what is queued, and drops the lock.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _fenced.DisposeAsync();
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

    private static void Check(CoordinatorOptions options)
    {
        if (options.Listen.Count == 0)
            throw new ArgumentException("Listen is empty; at least one HOST:PORT is needed.", nameof(options));
        if (options.HeartbeatInterval < TimeSpan.FromMilliseconds(50) || options.HeartbeatInterval > TimeSpan.FromMinutes(10))
            throw new ArgumentException($"HeartbeatInterval is {options.HeartbeatInterval}; 50 ms to 10 min are allowed.", nameof(options));
        if (options.Lease < 2 * options.HeartbeatInterval || options.Lease > TimeSpan.FromHours(1))
            throw new ArgumentException($"Lease is {options.Lease}; twice the heartbeat interval ({2 * options.HeartbeatInterval}) to 1 h are allowed.", nameof(options));
        foreach (var port in new[] { options.SiloPort, options.GatewayPort })
        {
            if (port is < 0 or > IPEndPoint.MaxPort)
                throw new ArgumentException($"A silo port is {port}; 0 to {IPEndPoint.MaxPort} are allowed.", nameof(options));
        }
    }
}
