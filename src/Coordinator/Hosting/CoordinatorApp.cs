using System.Net;
using System.Net.Sockets;
using Linformer.Coordinator.Scheduling;
using Linformer.Coordinator.Services;
using Linformer.Coordinator.Services.Agents;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Services.Jobs;
using Linformer.Coordinator.Services.Watching;
using Linformer.Coordinator.Storage;
using Linformer.Protocol.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Runtime.Hosting;
using Serilog;
using ILogger = Serilog.ILogger;

namespace Linformer.Coordinator.Hosting;

/// <summary>Puts the coordinator's parts together.</summary>
internal static class CoordinatorApp
{
    private const int StreamsPerConnection = 1024;

    /// <summary>The application, not started.</summary>
    public static WebApplication Build(
        CoordinatorOptions options, IReadOnlyList<ListenAddress> listen, CoordinatorDatabase database, CoordinatorTokens tokens, StorageId storage, ILogger logger)
    {
        // Empty: neither files of the current folder nor environment variables of ASP.NET change what is served.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "Linformer.Coordinator" });
        builder.Logging.AddSerilog(logger);
        builder.Logging.SetMinimumLevel(LogLevel.Debug);
        foreach (var noisy in (string[])["Microsoft", "Orleans", "Grpc", "System"])
            builder.Logging.AddFilter(noisy, LogLevel.Warning);
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel => Listen(kestrel, listen));
        builder.Services.AddRoutingCore();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.StopPatience);
        builder.Services.AddSingleton<IHostLifetime, OwnersLifetime>();
        AddStorage(builder.Services, database, storage);
        AddServices(builder.Services, options, tokens, logger);
        AddSilo(builder, options);
        builder.Services.AddHostedService<SchedulerPulse>();
        var app = builder.Build();
        app.UseRouting();
        app.MapGrpcService<JobsService>();
        app.MapGrpcService<CorporaService>();
        app.MapGrpcService<WorkersService>();
        app.MapGrpcService<AgentsService>();
        return app;
    }

    private static void Listen(KestrelServerOptions kestrel, IReadOnlyList<ListenAddress> listen)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.Http2.MaxStreamsPerConnection = StreamsPerConnection;
        // A peer whose machine has vanished sends nothing, not even a reset.
        kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(15);
        kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(10);
        // Streams are open for days, and a worker that waits sends little.
        kestrel.Limits.MinRequestBodyDataRate = null;
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.MaxRequestBodySize = null;
        foreach (var address in listen)
        {
            kestrel.Listen(address.Address, address.Port, endpoint =>
            {
                endpoint.Protocols = HttpProtocols.Http2;
                if (address.IsLoopback)
                    endpoint.Use(next => connection => MarkAsync(connection, next));
            });
        }
    }

    private static Task MarkAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        connection.Items[ListenAddress.LoopbackMark] = true;
        return next(connection);
    }

    private static void AddStorage(IServiceCollection services, CoordinatorDatabase database, StorageId storage)
    {
        services.AddSingleton(database);
        services.AddSingleton(storage);
        services.AddSingleton<IJobStore, DatabaseJobStore>();
        services.AddSingleton<IHistoryStore, DatabaseHistoryStore>();
        services.AddSingleton<ITelemetryStore, DatabaseTelemetryStore>();
        services.AddSingleton<IRosterStore, DatabaseRosterStore>();
        services.AddGrainStorage(DatabaseGrainStorage.Name, (_, _) => new DatabaseGrainStorage(database));
    }

    private static void AddServices(IServiceCollection services, CoordinatorOptions options, CoordinatorTokens tokens, ILogger logger)
    {
        services.AddSingleton(options);
        services.AddSingleton(tokens);
        services.AddSingleton(logger);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(new ClusterTiming
        {
            HeartbeatInterval = options.HeartbeatInterval,
            Lease = options.Lease,
            StartedAt = TimeProvider.System.GetUtcNow(),
        });
        services.AddSingleton<SchedulerPoker>();
        services.AddSingleton<ClusterReader>();
        services.AddSingleton<JobReader>();
        services.AddSingleton<JobFeeds>();
        services.AddSingleton<JobSubmissions>();
        services.AddSingleton<StreamLimit>();
        services.AddSingleton<CallGuard>();
        services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = WireLimits.MaxRequestBytes;
            grpc.Interceptors.Add<CallGuard>();
        });
    }

    private static void AddSilo(WebApplicationBuilder builder, CoordinatorOptions options)
    {
        // Both held before either is given back, so that they differ.
        using var silo = new TcpListener(IPAddress.Loopback, options.SiloPort);
        using var gateway = new TcpListener(IPAddress.Loopback, options.GatewayPort);
        silo.Start();
        gateway.Start();
        var siloPort = ((IPEndPoint)silo.LocalEndpoint).Port;
        var gatewayPort = ((IPEndPoint)gateway.LocalEndpoint).Port;
        builder.UseOrleans(orleans => orleans.UseLocalhostClustering(siloPort, gatewayPort, null, "linformer", "linformer"));
    }
}
