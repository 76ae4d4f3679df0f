using System.Collections.Concurrent;
using Grpc.ContractTests.Contract;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.DependencyInjection;

namespace Grpc.ContractTests;

/// <summary>Interceptors, on both sides.</summary>
public sealed class InterceptorTests
{
    private static readonly string[] Kinds = ["unary", "download", "upload", "talk"];

    [Fact]
    public async Task A_servers_interceptors_wrap_all_kinds_of_calls_in_order()
    {
        var log = new ConcurrentQueue<string>();
        await using var server = await TestServer.StartAsync(
            Echo(),
            o =>
            {
                o.Interceptors.Add<ServerLog>("outer");
                o.Interceptors.Add<ServerLog>("inner");
            },
            services: s => s.AddSingleton(log));

        await CallAllAsync(new Probe.ProbeClient(server.Channel));

        log.ShouldBe(Kinds.SelectMany(k => new[] { $"outer before {k}", $"inner before {k}", $"inner after {k}", $"outer after {k}" }));
    }

    [Fact]
    public async Task An_interceptor_may_be_a_service()
    {
        var log = new ConcurrentQueue<string>();
        await using var server = await TestServer.StartAsync(
            Echo(),
            o => o.Interceptors.Add<ServerLog>(),
            services: s => s.AddSingleton(log).AddSingleton(new ServerLog(log, "own")));

        await server.Client.UnaryAsync(new Part());

        log.ShouldBe(["own before unary", "own after unary"]);
    }

    [Fact]
    public async Task A_servers_interceptor_may_refuse_a_call()
    {
        await using var server = await TestServer.StartAsync(Echo(), o => o.Interceptors.Add<Guard>());

        await Expect.StatusAsync(server.Client.UnaryAsync(new Part()), StatusCode.Unauthenticated);
        using var talk = server.Client.Talk();
        await Expect.StatusAsync(talk.ResponseStream.MoveNext(), StatusCode.Unauthenticated);
        await server.Client.UnaryAsync(new Part(), new Metadata { { "token", "right" } });
    }

    [Fact]
    public async Task Only_interceptors_may_be_added()
    {
        await using var server = await TestServer.StartAsync(
            Echo(), o => Should.Throw<ArgumentException>(() => o.Interceptors.Add(typeof(string))));

        await server.Client.UnaryAsync(new Part());
    }

    [Fact]
    public async Task A_clients_interceptors_wrap_all_kinds_of_calls_in_order()
    {
        var log = new ConcurrentQueue<string>();
        await using var server = await TestServer.StartAsync(Echo());
        var invoker = server.Channel.Intercept(new ClientLog(log, "outer"), new ClientLog(log, "inner"));
        var client = new Probe.ProbeClient(invoker);

        await CallAllAsync(client);
        await Task.Run(() => client.Unary(new Part()));

        log.ShouldBe(Kinds.Append("blocking").SelectMany(k => new[] { $"outer {k}", $"inner {k}" }));
    }

    [Fact]
    public async Task A_client_may_add_headers_to_every_call()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (_, context) => Task.FromResult(new Part { Text = context.RequestHeaders.GetValue("token") ?? "none" }),
        });
        var client = new Probe.ProbeClient(server.Channel.Intercept(headers =>
        {
            headers.Add("token", "abc");
            return headers;
        }));

        (await client.UnaryAsync(new Part())).Text.ShouldBe("abc");
        (await client.UnaryAsync(new Part(), new Metadata { { "other", "1" } })).Text.ShouldBe("abc");
    }

    [Fact]
    public async Task A_clients_interceptor_may_wrap_the_call_it_returns()
    {
        await using var server = await TestServer.StartAsync(Echo());
        var client = new Probe.ProbeClient(server.Channel.Intercept(new Exclaim()));

        using var call = client.UnaryAsync(new Part { Text = "hello" });

        (await call).Text.ShouldBe("hello!");
        (await call.ResponseHeadersAsync).ShouldNotBeNull();
        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
    }

    private static Handlers Echo() => new()
    {
        Unary = (request, _) => Task.FromResult(request),
        Download = (request, responses, _) => responses.WriteAsync(request),
        Upload = async (requests, _) => (await Expect.ReadAllAsync(requests)).First(),
        Talk = async (requests, responses, _) =>
        {
            await foreach (var request in requests.ReadAllAsync())
            {
                await responses.WriteAsync(request);
            }
        },
    };

    private static async Task CallAllAsync(Probe.ProbeClient client)
    {
        await client.UnaryAsync(new Part());
        using var download = client.Download(new Part());
        await Expect.ReadAllAsync(download.ResponseStream);
        using var upload = client.Upload();
        await upload.RequestStream.WriteAsync(new Part());
        await upload.RequestStream.CompleteAsync();
        await upload;
        using var talk = client.Talk();
        await talk.RequestStream.CompleteAsync();
        await Expect.ReadAllAsync(talk.ResponseStream);
    }

    public sealed class ServerLog(ConcurrentQueue<string> log, string name) : Interceptor
    {
        public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
        {
            log.Enqueue($"{name} before unary");
            var response = await continuation(request, context);
            log.Enqueue($"{name} after unary");
            return response;
        }

        public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
            TRequest request,
            IServerStreamWriter<TResponse> responseStream,
            ServerCallContext context,
            ServerStreamingServerMethod<TRequest, TResponse> continuation)
        {
            log.Enqueue($"{name} before download");
            await continuation(request, responseStream, context);
            log.Enqueue($"{name} after download");
        }

        public override async Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream,
            ServerCallContext context,
            ClientStreamingServerMethod<TRequest, TResponse> continuation)
        {
            log.Enqueue($"{name} before upload");
            var response = await continuation(requestStream, context);
            log.Enqueue($"{name} after upload");
            return response;
        }

        public override async Task DuplexStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream,
            IServerStreamWriter<TResponse> responseStream,
            ServerCallContext context,
            DuplexStreamingServerMethod<TRequest, TResponse> continuation)
        {
            log.Enqueue($"{name} before talk");
            await continuation(requestStream, responseStream, context);
            log.Enqueue($"{name} after talk");
        }
    }

    public sealed class Guard : Interceptor
    {
        public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
        {
            Check(context);
            return continuation(request, context);
        }

        public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream,
            IServerStreamWriter<TResponse> responseStream,
            ServerCallContext context,
            DuplexStreamingServerMethod<TRequest, TResponse> continuation)
        {
            Check(context);
            return continuation(requestStream, responseStream, context);
        }

        private static void Check(ServerCallContext context)
        {
            if (context.RequestHeaders.GetValue("token") != "right")
            {
                throw new RpcException(new Status(StatusCode.Unauthenticated, "the token is missing"));
            }
        }
    }

    private sealed class ClientLog(ConcurrentQueue<string> log, string name) : Interceptor
    {
        public override TResponse BlockingUnaryCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            BlockingUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            log.Enqueue($"{name} blocking");
            return continuation(request, context);
        }

        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            context.Method.FullName.ShouldBe("/contract.v1.Probe/Unary");
            log.Enqueue($"{name} unary");
            return continuation(request, context);
        }

        public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncServerStreamingCallContinuation<TRequest, TResponse> continuation)
        {
            log.Enqueue($"{name} download");
            return continuation(request, context);
        }

        public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncClientStreamingCallContinuation<TRequest, TResponse> continuation)
        {
            log.Enqueue($"{name} upload");
            return continuation(context);
        }

        public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncDuplexStreamingCallContinuation<TRequest, TResponse> continuation)
        {
            log.Enqueue($"{name} talk");
            return continuation(context);
        }
    }

    private sealed class Exclaim : Interceptor
    {
        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request,
            ClientInterceptorContext<TRequest, TResponse> context,
            AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            var call = continuation(request, context);
            return new AsyncUnaryCall<TResponse>(
                ExclaimAsync(call.ResponseAsync), call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
        }

        private static async Task<T> ExclaimAsync<T>(Task<T> response)
        {
            var message = await response;
            (message as Part)!.Text += "!";
            return message;
        }
    }
}
