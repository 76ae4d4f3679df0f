using System.Collections.Frozen;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Services;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Services.Jobs;
using Microsoft.Extensions.DependencyInjection;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Rest;

/// <summary>Sends one message of an answer.</summary>
internal delegate Task SendMessage(IMessage message, CancellationToken cancellationToken);

/// <summary>A method of gRPC that can be called from within, through the same guard as from without.</summary>
/// <param name="Descriptor">What it is.</param>
internal abstract record RestMethod(MethodDescriptor Descriptor)
{
    /// <summary>Such as <c>/linformer.v1.Jobs/Submit</c>.</summary>
    public string FullName { get; } = $"/{Descriptor.Service.FullName}/{Descriptor.Name}";

    /// <summary>Who may call it.</summary>
    public Proto.Access Rule => AccessRules.Of(FullName) ?? throw new InvalidOperationException($"{FullName} has no rule, so nobody may call it.");

    /// <summary>Calls it.</summary>
    /// <param name="guard">Checks the call.</param>
    /// <param name="request">Its message.</param>
    /// <param name="context">Its context.</param>
    /// <param name="send">Takes each message of the answer.</param>
    /// <exception cref="RpcException">How it was refused.</exception>
    public abstract Task CallAsync(CallGuard guard, IMessage request, ServerCallContext context, SendMessage send);

    /// <summary>Calls it for this program itself, which nobody has to let in.</summary>
    /// <param name="request">Its message.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="RpcException">It was refused.</exception>
    /// <exception cref="NotSupportedException">Its answer is a stream.</exception>
    public abstract Task<IMessage> ReadAsync(IMessage request, CancellationToken cancellationToken);
}

/// <summary>The methods for people, as the generated code announces them.</summary>
internal sealed class RestMethods : ServiceBinderBase
{
    private readonly Dictionary<string, RestMethod> _bound = new(StringComparer.Ordinal);
    private readonly FrozenDictionary<string, Google.Protobuf.Reflection.ServiceDescriptor> _services =
        new[] { Proto.Jobs.Descriptor, Proto.Corpora.Descriptor, Proto.Workers.Descriptor, Proto.Cluster.Descriptor, Proto.Tokens.Descriptor }
            .ToFrozenDictionary(service => service.FullName, StringComparer.Ordinal);

    /// <summary>Binds the services, of which one instance each serves all calls: they keep nothing of a call.</summary>
    public RestMethods(IServiceProvider provider)
    {
        Proto.Jobs.BindService(this, ActivatorUtilities.CreateInstance<JobsService>(provider));
        Proto.Corpora.BindService(this, ActivatorUtilities.CreateInstance<CorporaService>(provider));
        Proto.Workers.BindService(this, ActivatorUtilities.CreateInstance<WorkersService>(provider));
        Proto.Cluster.BindService(this, ActivatorUtilities.CreateInstance<ClusterService>(provider));
        Proto.Tokens.BindService(this, ActivatorUtilities.CreateInstance<TokensService>(provider));
    }

    /// <summary>A method by its name, such as <c>Jobs/List</c>.</summary>
    public RestMethod this[string name] => _bound[name];

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler) =>
        Add(method, descriptor => new Unary<TRequest, TResponse>(descriptor, handler!));

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler) =>
        Add(method, descriptor => new Streaming<TRequest, TResponse>(descriptor, handler!));

    private void Add(IMethod method, Func<MethodDescriptor, RestMethod> make)
    {
        var service = _services[method.ServiceName];
        _bound.Add($"{service.Name}/{method.Name}", make(service.FindMethodByName(method.Name)));
    }

    private sealed record Unary<TRequest, TResponse>(MethodDescriptor Descriptor, UnaryServerMethod<TRequest, TResponse> Handler) : RestMethod(Descriptor)
        where TRequest : class
        where TResponse : class
    {
        public override async Task CallAsync(CallGuard guard, IMessage request, ServerCallContext context, SendMessage send)
        {
            var response = await guard.UnaryServerHandler((TRequest)request, context, Handler);
            await send((IMessage)response, context.CancellationToken);
        }

        public override async Task<IMessage> ReadAsync(IMessage request, CancellationToken cancellationToken) =>
            (IMessage)await Handler((TRequest)request, new OwnCallContext(FullName, cancellationToken));
    }

    private sealed record Streaming<TRequest, TResponse>(MethodDescriptor Descriptor, ServerStreamingServerMethod<TRequest, TResponse> Handler) : RestMethod(Descriptor)
        where TRequest : class
        where TResponse : class
    {
        public override Task CallAsync(CallGuard guard, IMessage request, ServerCallContext context, SendMessage send) =>
            guard.ServerStreamingServerHandler((TRequest)request, new Writer<TResponse>(send), context, Handler);

        public override Task<IMessage> ReadAsync(IMessage request, CancellationToken cancellationToken) => throw new NotSupportedException($"{FullName} answers with a stream.");
    }

    private sealed class Writer<TResponse>(SendMessage send) : IServerStreamWriter<TResponse>
        where TResponse : class
    {
        public WriteOptions? WriteOptions { get; set; }

        public Task WriteAsync(TResponse message) => send((IMessage)message, CancellationToken.None);

        public Task WriteAsync(TResponse message, CancellationToken cancellationToken) => send((IMessage)message, cancellationToken);
    }
}
