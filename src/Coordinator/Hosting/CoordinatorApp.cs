using System.Net;
using System.Net.Sockets;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Scaling;
using Linformer.Coordinator.Scheduling;
using Linformer.Coordinator.Services;
using Linformer.Coordinator.Services.Agents;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Services.Jobs;
using Linformer.Coordinator.Services.Watching;
using Linformer.Coordinator.Storage;
using Linformer.Protocol.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
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
    /// <summary>The application, not started.</summary>
    public static WebApplication Build(
        CoordinatorOptions options, IReadOnlyList<ListenAddress> listen, CoordinatorDatabase database, BootstrapTokens bootstrap, TokenBook book, StorageId storage, ILogger logger)
    {
        // Empty: neither files of the current folder nor environment variables of ASP.NET change what is served.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "Linformer.Coordinator" });
        builder.Logging.AddSerilog(logger);
        builder.Logging.SetMinimumLevel(LogLevel.Debug);
        foreach (var noisy in (string[])["Microsoft", "Orleans", "Grpc", "System"])
            builder.Logging.AddFilter(noisy, LogLevel.Warning);
        builder.WebHost.UseKestrelCore();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => Listeners.Configure(kestrel, options, listen));
        builder.Services.AddRoutingCore();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.StopPatience);
        builder.Services.AddSingleton<IHostLifetime, OwnersLifetime>();
        AddStorage(builder.Services, database, storage);
        AddServices(builder.Services, options, logger);
        AddAccess(builder.Services, bootstrap, book);
        AddSilo(builder, options);
        builder.Services.AddHostedService<SchedulerPulse>();
        if (options.Scaling is not null)
            builder.Services.AddHostedService<WorkerScaler>();
        else
            builder.Services.AddHostedService<MarksRemoval>();
        builder.Services.AddHostedService<RetentionService>();
        var app = builder.Build();
        app.UseRouting();
        app.Use((http, next) => app.Services.GetRequiredService<AccessGate>().InvokeAsync(http, () => next(http)));
        app.MapGrpcService<JobsService>();
        app.MapGrpcService<CorporaService>();
        app.MapGrpcService<WorkersService>();
        app.MapGrpcService<AgentsService>();
        app.MapGrpcService<TokensService>();
        return app;
    }

    private static void AddStorage(IServiceCollection services, CoordinatorDatabase database, StorageId storage)
    {
        services.AddSingleton(database);
        services.AddSingleton(storage);
        services.AddSingleton<IJobStore, DatabaseJobStore>();
        services.AddSingleton<IHistoryStore, DatabaseHistoryStore>();
        services.AddSingleton<ITelemetryStore, DatabaseTelemetryStore>();
        services.AddSingleton<IRosterStore, DatabaseRosterStore>();
        services.AddSingleton<ITokenStore, DatabaseTokenStore>();
        services.AddSingleton<IAuditStore, DatabaseAuditStore>();
        services.AddSingleton<ITelemetryRetention, DatabaseRetention>();
        services.AddGrainStorage(DatabaseGrainStorage.Name, (_, _) => new DatabaseGrainStorage(database));
    }

    private static void AddServices(IServiceCollection services, CoordinatorOptions options, ILogger logger)
    {
        services.AddSingleton(options);
        services.AddSingleton(logger);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(new ClusterTiming
        {
            HeartbeatInterval = options.HeartbeatInterval,
            Lease = options.Lease,
            PreparationPatience = options.PreparationPatience,
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

    private static void AddAccess(IServiceCollection services, BootstrapTokens bootstrap, TokenBook book)
    {
        services.AddSingleton(bootstrap);
        services.AddSingleton(_ => book);
        services.AddSingleton<Authenticator>();
        services.AddSingleton<CallRates>();
        services.AddSingleton<WaitingCalls>();
        services.AddSingleton<TokenMask>();
        services.AddSingleton<AuditLog>();
        services.AddHostedService(provider => provider.GetRequiredService<AuditLog>());
        services.AddSingleton<AccessGate>();
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
