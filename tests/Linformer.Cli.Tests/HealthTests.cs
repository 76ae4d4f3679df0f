using System.Net;
using System.Net.Sockets;
using Linformer.Cli.Tests.Cluster;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests;

/// <summary><c>--health</c> of a coordinator and of a worker.</summary>
public sealed class HealthTests : ClusterTest
{
    private readonly HttpClient _http = new();
    private readonly int _port = FreePort();

    [Fact]
    public async Task A_coordinator_is_ready_while_it_serves()
    {
        using var stop = new CancellationTokenSource();
        var running = Start(["coordinator", "--data", Folder, "--http", "none", "--listen", "127.0.0.1:0"], stop.Token);
        await Written(Output, "The coordinator listens at");

        (await Get("/healthz")).ShouldBe((HttpStatusCode.OK, "ok\n"));
        (await Get("/readyz")).ShouldBe((HttpStatusCode.OK, "ok\n"));
        (await Get("/metrics")).Text.ShouldContain("\nlinformer_coordinator_active 1\n");
        (await Get("/")).Status.ShouldBe(HttpStatusCode.NotFound);
        (await Get("/healthz/x")).Status.ShouldBe(HttpStatusCode.NotFound);
        using var posted = await _http.PostAsync(Url("/healthz"), null);
        posted.StatusCode.ShouldBe(HttpStatusCode.MethodNotAllowed);
        await stop.CancelAsync();
        (await running).ShouldBe(0, Error.ToString());
        await Should.ThrowAsync<HttpRequestException>(() => Get("/healthz"));
    }

    [Fact]
    public async Task A_coordinator_that_waits_for_its_database_works_and_is_not_ready()
    {
        // Accepts and says nothing, as a server does that hangs.
        using var database = new TcpListener(IPAddress.Loopback, 0);
        database.Start();
        using var stop = new CancellationTokenSource();
        var port = ((IPEndPoint)database.LocalEndpoint).Port;
        var running = Start(["coordinator", "--data", Folder, "--http", "none", "--listen", "127.0.0.1:0", "--database", $"postgresql://ada:x@127.0.0.1:{port}/jobs"], stop.Token);
        using var connection = await database.AcceptTcpClientAsync();

        (await Get("/healthz")).ShouldBe((HttpStatusCode.OK, "ok\n"));
        var (status, text) = await Get("/readyz");
        status.ShouldBe(HttpStatusCode.ServiceUnavailable);
        text.ShouldContain("stands by");
        (await Get("/metrics")).Text.ShouldContain("\nlinformer_coordinator_active 0\n");
        await stop.CancelAsync();
        (await running).ShouldBe(0, Error.ToString());
    }

    [Fact]
    public async Task A_worker_is_ready_while_it_is_connected()
    {
        var hangUp = new TaskCompletionSource();
        var welcomed = new TaskCompletionSource();
        var again = new TaskCompletionSource();
        Coordinator.Agents.OnConnect = async (before, stream, cancellation) =>
        {
            if (before > 0)
            {
                again.TrySetResult();
                await Task.Delay(Timeout.Infinite, cancellation);
            }

            await stream.WriteAsync(new CoordinatorMessage { Welcome = new Welcome { ProtocolVersion = 2, Epoch = 1, HeartbeatMilliseconds = 100 } }, cancellation);
            welcomed.TrySetResult();
            await hangUp.Task;
        };
        using var stop = new CancellationTokenSource();
        await File.WriteAllTextAsync(Path.Combine(Folder, "join-token"), "a-good-join-token\n");
        var running = Start(
            ["worker", "--data", Folder, "--name", "w1", "--address", "127.0.0.1", "--coordinator", Coordinator.Address, "--join-token-file", Path.Combine(Folder, "join-token")], stop.Token);
        await welcomed.Task;
        while ((await Get("/readyz")).Status != HttpStatusCode.OK)
            await Task.Delay(10);

        hangUp.SetResult();
        await again.Task;

        (await Get("/readyz")).ShouldBe((HttpStatusCode.ServiceUnavailable, "not connected with a coordinator\n"));
        (await Get("/healthz")).ShouldBe((HttpStatusCode.OK, "ok\n"));
        await Coordinator.KillAsync();
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public async Task An_address_that_is_taken_is_told()
    {
        using var other = new TcpListener(IPAddress.Loopback, _port);
        other.Start();

        (await Start(["coordinator", "--data", Folder, "--http", "none", "--listen", "127.0.0.1:0"], CancellationToken.None)).ShouldBe(1);

        Error.ToString().ShouldStartWith($"error: --health: cannot listen on 127.0.0.1:{_port}: another program listens there.");
    }

    protected override void Clean() => _http.Dispose();

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private Task<int> Start(string[] arguments, CancellationToken cancellation) => CommandLineApp.RunAsync(
        CommandLineApp.CreateRoot(), [.. arguments, "--health", $"127.0.0.1:{_port}"], Output, Error, cancellation);

    private Uri Url(string path) => new($"http://127.0.0.1:{_port}{path}");

    private async Task<(HttpStatusCode Status, string Text)> Get(string path)
    {
        using var response = await _http.GetAsync(Url(path));
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }
}
