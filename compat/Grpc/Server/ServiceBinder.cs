using System.Reflection;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Grpc.AspNetCore.Server;

/// <summary>Collects a service's methods, each with its interceptors before it and an instance of the service per call.</summary>
internal sealed class ServiceBinder<TService>(GrpcServiceOptions options, ILoggerFactory loggers) : ServiceBinderBase
    where TService : class
{
    private readonly CallHandler _calls = new(options, loggers);

    public List<(IMethod Method, RequestDelegate Handler, IEnumerable<object> Metadata)> Methods { get; } = [];

    public override void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler)
    {
        var implementation = Find(method, typeof(TRequest), typeof(ServerCallContext));
        var invoke = implementation.CreateDelegate<Func<TService, TRequest, ServerCallContext, Task<TResponse>>>();
        UnaryServerMethod<TRequest, TResponse> pipeline = async (request, context) =>
        {
            await using var service = Activate(context);
            return await invoke(service.Instance, request, context);
        };
        foreach (var registration in options.Interceptors.Reverse())
        {
            var next = pipeline;
            pipeline = async (request, context) =>
            {
                await using var interceptor = registration.Activate(context.GetHttpContext().RequestServices);
                return await interceptor.Instance.UnaryServerHandler(request, context, next);
            };
        }
        Add(method, implementation, async call =>
        {
            var request = await call.ReadSingleAsync(method.RequestMarshaller.ContextualDeserializer);
            await call.WriteSingleAsync(await pipeline(request, call), method.ResponseMarshaller.ContextualSerializer);
        });
    }

    public override void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var implementation = Find(method, typeof(TRequest), typeof(IServerStreamWriter<TResponse>), typeof(ServerCallContext));
        var invoke = implementation.CreateDelegate<Func<TService, TRequest, IServerStreamWriter<TResponse>, ServerCallContext, Task>>();
        ServerStreamingServerMethod<TRequest, TResponse> pipeline = async (request, responses, context) =>
        {
            await using var service = Activate(context);
            await invoke(service.Instance, request, responses, context);
        };
        foreach (var registration in options.Interceptors.Reverse())
        {
            var next = pipeline;
            pipeline = async (request, responses, context) =>
            {
                await using var interceptor = registration.Activate(context.GetHttpContext().RequestServices);
                await interceptor.Instance.ServerStreamingServerHandler(request, responses, context, next);
            };
        }
        Add(method, implementation, async call =>
        {
            call.AllowLongResponses();
            var request = await call.ReadSingleAsync(method.RequestMarshaller.ContextualDeserializer);
            using var responses = new ResponseWriter<TResponse>(call, method.ResponseMarshaller.ContextualSerializer);
            await pipeline(request, responses, call);
        });
    }

    public override void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var implementation = Find(method, typeof(IAsyncStreamReader<TRequest>), typeof(ServerCallContext));
        var invoke = implementation.CreateDelegate<Func<TService, IAsyncStreamReader<TRequest>, ServerCallContext, Task<TResponse>>>();
        ClientStreamingServerMethod<TRequest, TResponse> pipeline = async (requests, context) =>
        {
            await using var service = Activate(context);
            return await invoke(service.Instance, requests, context);
        };
        foreach (var registration in options.Interceptors.Reverse())
        {
            var next = pipeline;
            pipeline = async (requests, context) =>
            {
                await using var interceptor = registration.Activate(context.GetHttpContext().RequestServices);
                return await interceptor.Instance.ClientStreamingServerHandler(requests, context, next);
            };
        }
        Add(method, implementation, async call =>
        {
            call.AllowLongRequests();
            TResponse response;
            using (var requests = new RequestReader<TRequest>(call, method.RequestMarshaller.ContextualDeserializer))
            {
                response = await pipeline(requests, call);
            }
            await call.WriteSingleAsync(response, method.ResponseMarshaller.ContextualSerializer);
        });
    }

    public override void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var implementation = Find(
            method, typeof(IAsyncStreamReader<TRequest>), typeof(IServerStreamWriter<TResponse>), typeof(ServerCallContext));
        var invoke = implementation
            .CreateDelegate<Func<TService, IAsyncStreamReader<TRequest>, IServerStreamWriter<TResponse>, ServerCallContext, Task>>();
        DuplexStreamingServerMethod<TRequest, TResponse> pipeline = async (requests, responses, context) =>
        {
            await using var service = Activate(context);
            await invoke(service.Instance, requests, responses, context);
        };
        foreach (var registration in options.Interceptors.Reverse())
        {
            var next = pipeline;
            pipeline = async (requests, responses, context) =>
            {
                await using var interceptor = registration.Activate(context.GetHttpContext().RequestServices);
                await interceptor.Instance.DuplexStreamingServerHandler(requests, responses, context, next);
            };
        }
        Add(method, implementation, async call =>
        {
            call.AllowLongRequests();
            using var requests = new RequestReader<TRequest>(call, method.RequestMarshaller.ContextualDeserializer);
            using var responses = new ResponseWriter<TResponse>(call, method.ResponseMarshaller.ContextualSerializer);
            await pipeline(requests, responses, call);
        });
    }

    private static Activated<TService> Activate(ServerCallContext context) =>
        Activated<TService>.From(context.GetHttpContext().RequestServices, typeof(TService), []);

    private static MethodInfo Find(IMethod method, params Type[] parameters) =>
        typeof(TService).GetMethod(method.Name, BindingFlags.Public | BindingFlags.Instance, parameters)
        ?? throw new InvalidOperationException($"Could not find '{method.Name}' on {typeof(TService)}.");

    private void Add(IMethod method, MethodInfo implementation, Func<HttpServerCallContext, Task> run)
    {
        object[] metadata =
        [
            .. typeof(TService).GetCustomAttributes(inherit: true),
            .. implementation.GetCustomAttributes(inherit: true),
            new HttpMethodMetadata(["POST"], acceptCorsPreflight: true),
        ];
        Methods.Add((method, context => _calls.HandleAsync(context, method, run), metadata));
    }
}
