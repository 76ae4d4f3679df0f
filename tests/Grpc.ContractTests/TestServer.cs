using System.Net;
using Grpc.AspNetCore.Server;
using Grpc.ContractTests.Contract;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Grpc.ContractTests;

/// <summary>A server on a port of the loopback interface, a free one unless told otherwise, and a channel to it.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private TestServer(WebApplication app, GrpcChannelOptions channelOptions)
    {
        _app = app;
        Address = new Uri(app.Urls.Single());
        Channel = GrpcChannel.ForAddress(Address, channelOptions);
        Client = new Probe.ProbeClient(Channel);
    }

    public Uri Address { get; }

    public GrpcChannel Channel { get; }

    public Probe.ProbeClient Client { get; }

    public static async Task<TestServer> StartAsync(
        Handlers handlers,
        Action<GrpcServiceOptions>? options = null,
        GrpcChannelOptions? channel = null,
        Action<IServiceCollection>? services = null,
        Action<WebApplication>? routes = null,
        int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, port, l => l.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc(options ?? (_ => { }));
        builder.Services.AddSingleton(handlers);
        services?.Invoke(builder.Services);
        var app = builder.Build();
        app.MapGrpcService<ProbeService>();
        routes?.Invoke(app);
        await app.StartAsync();
        return new TestServer(app, channel ?? new GrpcChannelOptions());
    }

    /// <summary>Ends the server without waiting for its calls.</summary>
    public async Task KillAsync()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
    }

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        await _app.DisposeAsync();
    }
}
