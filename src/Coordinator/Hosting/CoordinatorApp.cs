using System.Net;
using System.Net.Sockets;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Rest;
using Linformer.Coordinator.Scaling;
using Linformer.Coordinator.Scheduling;
using Linformer.Coordinator.Services;
using Linformer.Coordinator.Services.Agents;
using Linformer.Coordinator.Services.Checking;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Services.Health;
using Linformer.Coordinator.Services.Jobs;
using Linformer.Coordinator.Services.Previews;
using Linformer.Coordinator.Services.Watching;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Telemetry;
using Linformer.Protocol.Telemetry;
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
        CoordinatorOptions options, IReadOnlyList<ListenAddress> listen, IReadOnlyList<ListenAddress> httpListen, CoordinatorDatabase database, BootstrapTokens bootstrap, TokenBook book, StorageId storage, ILogger logger)
    {
        // Empty: neither files of the current folder nor environment variables of ASP.NET change what is served.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "Linformer.Coordinator" });
        builder.Logging.AddSerilog(logger);
        builder.Logging.SetMinimumLevel(LogLevel.Debug);
        foreach (var noisy in (string[])["Microsoft", "Grpc", "System"])
            builder.Logging.AddFilter(noisy, LogLevel.Warning);
        var orleans = new OrleansLog(builder.Logging);
        builder.WebHost.UseKestrelCore();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => Listeners.Configure(kestrel, options, listen, httpListen));
        builder.Services.AddRoutingCore();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.StopPatience);
        builder.Services.AddSingleton<IHostLifetime, OwnersLifetime>();
        AddStorage(builder.Services, database, storage);
        AddServices(builder.Services, options, logger);
        // Before all that tells of events, so that it ends after them.
        builder.Services.AddSingleton<EventLog>();
        builder.Services.AddSingleton<IEventLog>(provider => provider.GetRequiredService<EventLog>());
        builder.Services.AddHostedService(provider => provider.GetRequiredService<EventLog>());
        AddAccess(builder.Services, bootstrap, book);
        RestApp.AddTo(builder.Services);
        AddTelemetry(builder.Services);
        AddSilo(builder, options);
        builder.Services.AddHostedService<SchedulerPulse>();
        if (options.Scaling is not null)
            builder.Services.AddHostedService<WorkerScaler>();
        else
            builder.Services.AddHostedService<MarksRemoval>();
        builder.Services.AddHostedService<RetentionService>();
        var app = builder.Build();
        app.Lifetime.ApplicationStopping.Register(orleans.Stopping);
        // From the start on, not from when it is first asked.
        app.Services.GetRequiredService<MetricCollector>();
        app.UseRouting();
        app.Use((http, next) => CallMetrics.InvokeAsync(http, () => next(http)));
        app.Use(HttpFront.InvokeAsync);
        app.Use((http, next) => app.Services.GetRequiredService<AccessGate>().InvokeAsync(http, () => next(http)));
        app.MapGrpcService<JobsService>();
        app.MapGrpcService<CorporaService>();
        app.MapGrpcService<WorkersService>();
        app.MapGrpcService<ClusterService>();
        app.MapGrpcService<AgentsService>();
        app.MapGrpcService<TokensService>();
        // It tells nothing that is secret, and load balancers have no tokens.
        app.MapGrpcService<HealthService>().WithMetadata(PublicRoute.Instance);
        if (httpListen.Count > 0)
        {
            MetricsEndpoint.Map(app);
            RestApp.Map(app);
        }
        return app;
    }

    private static void AddStorage(IServiceCollection services, CoordinatorDatabase database, StorageId storage)
    {
        services.AddSingleton(database);
        services.AddSingleton(storage);
        services.AddSingleton<IJobStore, DatabaseJobStore>();
        services.AddSingleton<IDeletionStore, DatabaseDeletionStore>();
        services.AddSingleton<IHistoryStore, DatabaseHistoryStore>();
        services.AddSingleton<ITelemetryStore, DatabaseTelemetryStore>();
        services.AddSingleton<ITelemetryReader, DatabaseTelemetryReader>();
        services.AddSingleton<IEventStore, DatabaseEventStore>();
        services.AddSingleton<IClusterStore, DatabaseClusterStore>();
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
        services.AddSingleton<JobCharts>();
        services.AddSingleton<JobFeeds>();
        services.AddSingleton<JobResolver>();
        services.AddSingleton<CorpusVocabularies>();
        services.AddSingleton<JobRates>();
        services.AddSingleton<JobChecks>();
        services.AddSingleton<CorpusPreviews>();
        services.AddSingleton<JobSubmissions>();
        services.AddSingleton<JobDeletions>();
        services.AddHostedService(provider => provider.GetRequiredService<JobDeletions>());
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

    private static void AddTelemetry(IServiceCollection services)
    {
        services.AddSingleton<ServingState>();
        services.AddHostedService(provider => provider.GetRequiredService<ServingState>());
        services.AddSingleton<StorageGauge>();
        services.AddSingleton<ClusterGauges>();
        services.AddSingleton<CoordinatorMeter>();
        services.AddSingleton(provider =>
        {
            var collector = new MetricCollector(provider.GetRequiredService<CoordinatorMeter>());
            CoordinatorInstruments.Begin();
            return collector;
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
