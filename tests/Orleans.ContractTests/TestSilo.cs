using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Runtime.Hosting;

namespace Orleans.ContractTests;

/// <summary>A silo of its own on free ports, with an in-memory store named "store" and a journal of what grains did.</summary>
public sealed class TestSilo : IAsyncDisposable
{
    private readonly IHost _host;
    private bool _stopped;

    private TestSilo(IHost host) => _host = host;

    public IGrainFactory Grains => _host.Services.GetRequiredService<IGrainFactory>();

    public MemoryStore Store => _host.Services.GetRequiredService<MemoryStore>();

    public Journal Journal => _host.Services.GetRequiredService<Journal>();

    public IServiceProvider Services => _host.Services;

    public static async Task<TestSilo> StartAsync(Action<ISiloBuilder>? configure = null, MemoryStore? store = null)
    {
        var silo = new TestSilo(Build(configure, store));
        await silo._host.StartAsync();
        return silo;
    }

    public static Task<TestSilo> StartAsync(TimeSpan responseTimeout) => StartAsync(
        silo => silo.Configure<SiloMessagingOptions>(options => options.ResponseTimeout = responseTimeout));

    public static IHost Build(Action<ISiloBuilder>? configure, MemoryStore? store = null)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(store ?? new MemoryStore());
        builder.Services.AddSingleton<Journal>();
        builder.Services.AddGrainStorage("store", (services, _) => services.GetRequiredService<MemoryStore>());
        builder.UseOrleans(silo =>
        {
            var ports = FreePorts(2);
            silo.UseLocalhostClustering(ports[0], ports[1]);
            configure?.Invoke(silo);
        });
        return builder.Build();
    }

    public async Task StopAsync()
    {
        if (!_stopped)
        {
            _stopped = true;
            await _host.StopAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _host.Dispose();
    }

    public static int[] FreePorts(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        Array.ForEach(listeners, listener => listener.Start());
        var ports = Array.ConvertAll(listeners, listener => ((IPEndPoint)listener.LocalEndpoint).Port);
        Array.ForEach(listeners, listener => listener.Stop());
        return ports;
    }
}

/// <summary>One silo for the tests of a class.</summary>
public sealed class SiloFixture : IAsyncLifetime
{
    public TestSilo Silo { get; private set; } = null!;

    public async Task InitializeAsync() => Silo = await TestSilo.StartAsync();

    public async Task DisposeAsync() => await Silo.DisposeAsync();
}
