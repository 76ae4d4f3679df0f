using System.Net;
using System.Security.Claims;
using Grpc.AspNetCore.Server;
using Grpc.ContractTests.Contract;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Grpc.ContractTests;

/// <summary>Services inside ASP.NET Core: their lifetime, their context, their endpoints.</summary>
public sealed class HostingTests
{
    [Fact]
    public async Task A_service_and_its_scope_live_for_one_call()
    {
        var counts = new Counts();
        await using var server = await TestServer.StartAsync(
            new Handlers(),
            services: s => s.AddSingleton(counts).AddScoped<Scoped>(),
            routes: app => app.MapGrpcService<CountingService>());
        var client = new Nobody.NobodyClient(server.Channel);

        await client.UnaryAsync(new Part());
        await client.UnaryAsync(new Part());
        await Expect.StatusAsync(client.UnaryAsync(new Part { Text = "fail" }), StatusCode.Unknown);

        counts.Services.ShouldBe(3);
        counts.Scopes.ShouldBe(3);
        await counts.AllDisposed.WaitAsync();
    }

    [Fact]
    public async Task A_service_may_be_registered_by_its_owner()
    {
        var handlers = new Handlers { Unary = (request, _) => Task.FromResult(request) };
        await using var server = await TestServer.StartAsync(handlers, services: s => s.AddSingleton(new ProbeService(handlers)));

        (await server.Client.UnaryAsync(new Part { Number = 3 })).Number.ShouldBe(3);
    }

    [Fact]
    public async Task A_context_tells_of_the_call()
    {
        string? method = null, host = null, peer = null;
        var authenticated = true;
        HttpContext? http = null;
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (request, context) =>
            {
                (method, host, peer) = (context.Method, context.Host, context.Peer);
                authenticated = context.AuthContext.IsPeerAuthenticated;
                http = context.GetHttpContext();
                context.UserState["key"] = "value";
                http.Items["key"].ShouldBe("value");
                http.Request.Protocol.ShouldBe("HTTP/2");
                http.GetEndpoint()!.Metadata.GetMetadata<GrpcMethodMetadata>()!.Method.Name.ShouldBe("Unary");
                return Task.FromResult(request);
            },
        });

        await server.Client.UnaryAsync(new Part());

        method.ShouldBe("/contract.v1.Probe/Unary");
        host.ShouldBe(server.Address.Authority);
        peer.ShouldNotBeNull().ShouldStartWith("ipv4:127.0.0.1:");
        authenticated.ShouldBeFalse();
        http.ShouldNotBeNull();
    }

    [Fact]
    public async Task Endpoints_take_conventions_and_attributes()
    {
        await using var server = await TestServer.StartAsync(
            new Handlers(),
            routes: app => app.MapGrpcService<MarkedService>().Add(e => e.Metadata.Add(new Mark("convention"))));

        var marks = await new Nobody.NobodyClient(server.Channel).UnaryAsync(new Part());

        marks.Text.ShouldBe("class method convention");
    }

    [Fact]
    public async Task Middleware_sees_calls()
    {
        await using var server = await TestServer.StartAsync(
            new Handlers { Unary = (_, context) => Task.FromResult(new Part { Text = context.GetHttpContext().User.Identity!.Name }) },
            routes: app => app.Use((http, next) =>
            {
                http.User = new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, "somebody")], "test"));
                return next(http);
            }));

        (await server.Client.UnaryAsync(new Part())).Text.ShouldBe("somebody");
    }

    [Fact]
    public async Task Other_endpoints_live_beside_calls()
    {
        await using var server = await TestServer.StartAsync(new Handlers(), routes: app => app.MapGet("/a/b", () => "plain"));
        using var http = new HttpClient
        {
            BaseAddress = server.Address,
            DefaultRequestVersion = HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };

        (await http.GetStringAsync("/a/b")).ShouldBe("plain");
        (await http.GetAsync("/contract.v1.Probe/Unary")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await http.GetAsync("/no/where")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Services_need_to_be_added()
    {
        await using var app = WebApplication.CreateSlimBuilder().Build();

        Should.Throw<InvalidOperationException>(() => app.MapGrpcService<ProbeService>());
    }

    private sealed class Counts
    {
        private int _services;
        private int _scopes;
        private int _disposed;

        public int Services => _services;

        public int Scopes => _scopes;

        public Signal AllDisposed { get; } = new();

        public void AddService() => Interlocked.Increment(ref _services);

        public void AddScope() => Interlocked.Increment(ref _scopes);

        public void AddDisposed()
        {
            if (Interlocked.Increment(ref _disposed) == 6)
            {
                AllDisposed.Set();
            }
        }
    }

    private sealed class Scoped : IDisposable
    {
        private readonly Counts _counts;

        public Scoped(Counts counts)
        {
            _counts = counts;
            counts.AddScope();
        }

        public void Dispose() => _counts.AddDisposed();
    }

    private sealed class CountingService : Nobody.NobodyBase, IAsyncDisposable
    {
        private readonly Counts _counts;
        private readonly Scoped _scoped;

        public CountingService(Counts counts, Scoped scoped)
        {
            _counts = counts;
            _scoped = scoped;
            counts.AddService();
        }

        public override Task<Part> Unary(Part request, ServerCallContext context)
        {
            context.GetHttpContext().RequestServices.GetRequiredService<Scoped>().ShouldBeSameAs(_scoped);
            return request.Text == "fail" ? throw new FormatException() : Task.FromResult(request);
        }

        public ValueTask DisposeAsync()
        {
            _counts.AddDisposed();
            return ValueTask.CompletedTask;
        }
    }

    [AttributeUsage(AttributeTargets.All)]
    private sealed class Mark(string text) : Attribute
    {
        public string Text => text;
    }

    [Mark("class")]
    private sealed class MarkedService : Nobody.NobodyBase
    {
        [Mark("method")]
        public override Task<Part> Unary(Part request, ServerCallContext context)
        {
            var marks = context.GetHttpContext().GetEndpoint()!.Metadata.GetOrderedMetadata<Mark>();
            return Task.FromResult(new Part { Text = string.Join(' ', marks.Select(m => m.Text)) });
        }
    }
}
