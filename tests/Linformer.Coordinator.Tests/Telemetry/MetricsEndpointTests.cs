using System.Net;
using Linformer.Coordinator.Tests.Access;
using Linformer.Coordinator.Tests.Services;
using Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Telemetry;

public sealed class MetricsEndpointTests
{
    [Fact]
    public async Task Viewers_read_metrics_and_strangers_and_workers_do_not()
    {
        await using var secure = await SecureCoordinator.StartAsync();
        using var http = new HttpClient(new SocketsHttpHandler { SslOptions = secure.PlainTls().ToSslOptions() }) { BaseAddress = secure.Coordinator.Host.HttpAddresses[0] };
        var viewer = (await secure.AsAsync("vic", Role.Viewer)).Get("authorization")!.Value;

        (await GetAsync(http, null)).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await GetAsync(http, $"Bearer {secure.Coordinator.Host.JoinToken}")).Status.ShouldBe(HttpStatusCode.Unauthorized);
        var (status, text) = await GetAsync(http, viewer);

        status.ShouldBe(HttpStatusCode.OK);
        text.ShouldContain("\nlinformer_coordinator_active 1\n");
        text.ShouldContain($"\nlinformer_coordinator_epoch {secure.Coordinator.Host.Epoch}\n");
        text.ShouldMatch(@"\nlinformer_certificate_expiry_seconds [1-9]\d{9}");
        text.ShouldContain("\nlinformer_calls_total{method=\"GET /metrics\",status=\"401\"}");
    }

    [Fact]
    public async Task A_coordinator_tells_of_its_own_jobs_and_not_of_another_s_in_the_same_process()
    {
        await using var one = await TestCoordinator.StartAsync();
        await using var other = await TestCoordinator.StartAsync();
        using var http = new HttpClient { BaseAddress = one.Host.HttpAddresses[0] };
        await one.SubmitAsync("hostile-name");
        await other.SubmitAsync("others");
        await other.SubmitAsync("others");

        var (_, text) = await GetAsync(http, null);

        text.ShouldContain("\nlinformer_jobs{state=\"queued\"} 1\n");
        text.ShouldContain("\nlinformer_queue_length 1\n");
        text.ShouldContain("job_name=\"hostile-name\"");
        text.ShouldNotContain("others");
    }

    private static async Task<(HttpStatusCode Status, string Text)> GetAsync(HttpClient http, string? authorization)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        if (authorization is not null)
            request.Headers.TryAddWithoutValidation("authorization", authorization);
        using var response = await http.SendAsync(request);
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }
}
