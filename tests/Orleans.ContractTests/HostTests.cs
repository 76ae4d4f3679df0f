using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;

namespace Orleans.ContractTests;

public class HostTests
{
    [Fact]
    public async Task A_silo_runs_in_a_web_application()
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration["Urls"] = "http://127.0.0.1:0";
        builder.Services.AddSingleton<Journal>();
        builder.UseOrleans(silo =>
        {
            silo.Configuration["Urls"].ShouldBe("http://127.0.0.1:0");
            var ports = TestSilo.FreePorts(2);
            silo.UseLocalhostClustering(ports[0], ports[1]);
        });
        await using var application = builder.Build();
        await application.StartAsync();

        var client = application.Services.GetRequiredService<IClusterClient>();

        (await client.GetGrain<ITurnsGrain>("a").Key()).ShouldBe("a");
        client.ServiceProvider.GetRequiredService<Journal>().ShouldNotBeNull();
        await application.StopAsync();
    }

    [Fact]
    public async Task A_silo_runs_in_a_generic_host()
    {
        var ports = TestSilo.FreePorts(2);
        using var host = new HostBuilder()
            .ConfigureServices(services => services.AddSingleton<Journal>())
            .UseOrleans((_, silo) => silo.UseLocalhostClustering(ports[0], ports[1]))
            .Build();
        await host.StartAsync();

        (await host.Services.GetRequiredService<IGrainFactory>().GetGrain<ITurnsGrain>("a").Key()).ShouldBe("a");
        await host.StopAsync();
    }

    [Fact]
    public async Task Two_silos_in_one_process_know_nothing_of_each_other()
    {
        await using var first = await TestSilo.StartAsync();
        await using var second = await TestSilo.StartAsync();

        await first.Grains.GetGrain<ITallyGrain>("a").Add(1);

        (await second.Grains.GetGrain<ITallyGrain>("a").Count()).ShouldBe(0);
    }

    [Fact]
    public async Task UseOrleans_twice_configures_one_silo()
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<Journal>();
        var ports = TestSilo.FreePorts(2);
        builder.UseOrleans(silo => silo.UseLocalhostClustering(ports[0], ports[1]));
        builder.UseOrleans(silo => silo.Configure<ClusterOptions>(options => options.ClusterId = "second"));
        using var host = builder.Build();
        await host.StartAsync();

        host.Services.GetRequiredService<IOptions<ClusterOptions>>().Value.ClusterId.ShouldBe("second");
        (await host.Services.GetRequiredService<IGrainFactory>().GetGrain<ITurnsGrain>("a").Key()).ShouldBe("a");
        await host.StopAsync();
    }

    [Fact]
    public async Task A_silo_without_clustering_does_not_start()
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.UseOrleans();
        using var host = builder.Build();

        await Should.ThrowAsync<InvalidOperationException>(() => host.StartAsync());
    }

    [Fact]
    public async Task A_call_before_the_silo_has_started_fails()
    {
        using var host = TestSilo.Build(configure: null);
        var grain = host.Services.GetRequiredService<IGrainFactory>().GetGrain<ITurnsGrain>("a");

        await Should.ThrowAsync<Exception>(async () => await grain.Key());
    }

    [Fact]
    public async Task Options_that_make_no_sense_stop_the_silo_from_starting()
    {
        await Fails(silo => silo.Configure<GrainCollectionOptions>(options => options.CollectionAge = options.CollectionQuantum));
        await Fails(silo => silo.Configure<GrainCollectionOptions>(options => options.ClassSpecificCollectionAge["A"] = TimeSpan.FromSeconds(1)));
        await Fails(silo => silo.UseLocalhostClustering(siloPort: 0, gatewayPort: 0));

        static async Task Fails(Action<ISiloBuilder> configure)
        {
            using var host = TestSilo.Build(configure);
            await Should.ThrowAsync<OrleansConfigurationException>(() => host.StartAsync());
        }
    }

    [Fact]
    public void Options_have_the_defaults_of_the_package()
    {
        using var host = TestSilo.Build(configure: null);
        var messaging = host.Services.GetRequiredService<IOptions<SiloMessagingOptions>>().Value;
        var collection = host.Services.GetRequiredService<IOptions<GrainCollectionOptions>>().Value;
        var cluster = host.Services.GetRequiredService<IOptions<ClusterOptions>>().Value;

        messaging.ResponseTimeout.ShouldBe(TimeSpan.FromSeconds(30));
        messaging.DropExpiredMessages.ShouldBeTrue();
        collection.CollectionAge.ShouldBe(TimeSpan.FromMinutes(15));
        collection.CollectionQuantum.ShouldBe(TimeSpan.FromMinutes(1));
        collection.ActivationTimeout.ShouldBe(TimeSpan.FromSeconds(30));
        collection.DeactivationTimeout.ShouldBe(TimeSpan.FromSeconds(30));
        (cluster.ClusterId, cluster.ServiceId).ShouldBe(("default", "default"));
    }

    [Fact]
    public void Clustering_sets_ports_and_names()
    {
        using var host = TestSilo.Build(silo => silo.UseLocalhostClustering(5001, 5002, serviceId: "service", clusterId: "cluster"));
        var endpoint = host.Services.GetRequiredService<IOptions<EndpointOptions>>().Value;
        var cluster = host.Services.GetRequiredService<IOptions<ClusterOptions>>().Value;

        (endpoint.SiloPort, endpoint.GatewayPort).ShouldBe((5001, 5002));
        (cluster.ClusterId, cluster.ServiceId).ShouldBe(("cluster", "service"));
    }

    [Fact]
    public void Blank_names_become_those_of_development()
    {
        using var host = TestSilo.Build(silo => silo.Configure<ClusterOptions>(options => options.ServiceId = options.ClusterId = " "));
        var cluster = host.Services.GetRequiredService<IOptions<ClusterOptions>>().Value;

        (cluster.ClusterId, cluster.ServiceId).ShouldBe(("dev", "dev"));
    }

    [Fact]
    public void Options_come_from_configuration_too()
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(new Dictionary<string, string?> { ["ResponseTimeout"] = "00:00:07" }).Build();
        using var host = TestSilo.Build(silo => silo.Configure<SiloMessagingOptions>(configuration));

        host.Services.GetRequiredService<IOptions<SiloMessagingOptions>>().Value.ResponseTimeout.ShouldBe(TimeSpan.FromSeconds(7));
    }

    [Fact]
    public async Task A_hosted_service_registered_after_the_silo_calls_grains()
    {
        Caller? caller = null;
        await using var silo = await TestSilo.StartAsync(builder =>
            builder.Services.AddHostedService(services => caller = new Caller(services.GetRequiredService<IGrainFactory>())));

        caller!.Key.ShouldBe("hosted");
        await silo.StopAsync();
        caller.KeyAtStop.ShouldBe("stopping");
    }

    private sealed class Caller(IGrainFactory grains) : IHostedService
    {
        public string? Key { get; private set; }

        public string? KeyAtStop { get; private set; }

        public async Task StartAsync(CancellationToken cancellationToken) => Key = await grains.GetGrain<ITurnsGrain>("hosted").Key();

        public async Task StopAsync(CancellationToken cancellationToken) => KeyAtStop = await grains.GetGrain<ITurnsGrain>("stopping").Key();
    }
}
