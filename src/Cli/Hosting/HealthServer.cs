using System.Net;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Linformer.Cli.Hosting;

/// <summary>How a process is.</summary>
internal interface IHealth
{
    /// <summary>Why it had better be started again; null while it works.</summary>
    string? WhyDead { get; }

    /// <summary>Why it cannot be used now; null while it can.</summary>
    string? WhyNotReady { get; }
}

/// <summary>
/// Answers <c>GET /healthz</c> and <c>GET /readyz</c> by HTTP with 200 or 503 and a line of text, and <c>GET /metrics</c> for Prometheus, and
/// nothing else. It asks for no token, and what metrics tell, names of jobs and workers included, is known to whoever reaches it.
/// </summary>
internal sealed class HealthServer : IAsyncDisposable
{
    private const int MostConnections = 100;
    private static readonly TimeSpan HeadersTimeout = TimeSpan.FromSeconds(5);

    private readonly WebApplication _app;

    private HealthServer(WebApplication app)
    {
        _app = app;
        Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
    }

    /// <summary>Where it answers, with the real port.</summary>
    public Uri Address { get; }

    /// <summary>Starts to answer.</summary>
    /// <param name="listen">Where.</param>
    /// <param name="health">How the process is.</param>
    /// <param name="metrics">What it tells Prometheus.</param>
    /// <exception cref="CommandException">It cannot be listened on there.</exception>
    public static async Task<HealthServer> StartAsync(ListenAddress listen, IHealth health, MetricsPage metrics)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = MostConnections;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Limits.RequestHeadersTimeout = HeadersTimeout;
            kestrel.Listen(listen.Address, listen.Port, endpoint => endpoint.Protocols = HttpProtocols.Http1);
        });
        // Signals are the command's.
        builder.Services.AddSingleton<Microsoft.Extensions.Hosting.IHostLifetime, NoLifetime>();
        var app = builder.Build();
        app.Run(context => AnswerAsync(context, health, metrics));
        try
        {
            ListenAddress.CheckFree([listen]);
            await app.StartAsync(CancellationToken.None);
        }
        catch (IOException error)
        {
            await app.DisposeAsync();
            throw new CommandException(error.Message.Replace("The coordinator cannot listen on", "--health: cannot listen on", StringComparison.Ordinal));
        }

        return new HealthServer(app);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        using var atOnce = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _app.StopAsync(atOnce.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _app.DisposeAsync();
    }

    private static Task AnswerAsync(HttpContext context, IHealth health, MetricsPage metrics)
    {
        string? trouble = null;
        var isScrape = context.Request.Path == MetricsEndpoint.Path;
        if (context.Request.Path == "/healthz")
            trouble = health.WhyDead;
        else if (context.Request.Path == "/readyz")
            trouble = health.WhyDead ?? health.WhyNotReady;
        else if (!isScrape)
            return WriteAsync(context, HttpStatusCode.NotFound, "only /healthz, /readyz and /metrics are here");
        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
            return WriteAsync(context, HttpStatusCode.MethodNotAllowed, "only GET is answered");
        if (isScrape)
            return metrics.WriteAsync(context);
        return WriteAsync(context, trouble is null ? HttpStatusCode.OK : HttpStatusCode.ServiceUnavailable, trouble ?? "ok");
    }

    private static Task WriteAsync(HttpContext context, HttpStatusCode status, string text)
    {
        context.Response.StatusCode = (int)status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : context.Response.WriteAsync(text + "\n", context.RequestAborted);
    }

    private sealed class NoLifetime : Microsoft.Extensions.Hosting.IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
