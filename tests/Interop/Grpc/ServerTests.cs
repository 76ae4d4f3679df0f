using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Interop.Grpc;

/// <summary>The server of this product's gRPC, called by others' clients.</summary>
[Trait("Lane", "Processes")]
public sealed class ServerTests : IAsyncLifetime
{
    private static readonly string[] Scenarios =
    [
        "unary", "download", "upload", "talk", "status", "metadata", "deadline", "cancel", "big", "oversize", "unimplemented",
    ];

    private WebApplication _app = null!;

    public static TheoryData<string> All => [.. Scenarios];

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0, l => l.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        builder.Services.AddSingleton<EchoService.Counter>();
        _app = builder.Build();
        _app.MapGrpcService<EchoService>();
        await _app.StartAsync();
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Theory]
    [MemberData(nameof(All))]
    public Task Grpc_js_calls(string scenario) => RunAsync("node", scenario);

    [Theory]
    [MemberData(nameof(All))]
    public Task Python_calls(string scenario) => RunAsync("python", scenario);

    private async Task RunAsync(string language, string scenario)
    {
        var port = new Uri(_app.Urls.Single()).Port.ToString(CultureInfo.InvariantCulture);

        var (output, error) = await Peer.RunAsync(language, port, scenario);

        output.ShouldBe("ok\n", error);
    }
}
