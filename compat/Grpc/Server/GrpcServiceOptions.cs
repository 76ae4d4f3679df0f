using System.Collections.ObjectModel;
using Grpc.Core.Interceptors;
using Grpc.Protocol;

namespace Grpc.AspNetCore.Server;

public class GrpcServiceOptions
{
    /// <summary>In bytes; null means no limit, which is the default.</summary>
    public int? MaxSendMessageSize { get; set; }

    /// <summary>In bytes, 4 MiB unless set; null means no limit.</summary>
    public int? MaxReceiveMessageSize { get; set; } = Framing.DefaultReceiveLimit;

    /// <summary>Whether clients are told of a handler's exception.</summary>
    public bool? EnableDetailedErrors { get; set; }

    /// <summary>Whether calls of unknown services and methods go on to other endpoints, instead of ending in UNIMPLEMENTED.</summary>
    public bool? IgnoreUnknownServices { get; set; }

    /// <summary>The first is the outermost.</summary>
    public InterceptorCollection Interceptors { get; } = [];
}

public class InterceptorCollection : Collection<InterceptorRegistration>
{
    /// <summary>One is made per call, or taken from the services if the type is registered there and has no arguments here.</summary>
    public void Add<TInterceptor>(params object[] args)
        where TInterceptor : Interceptor =>
        Add(typeof(TInterceptor), args);

    public void Add(Type interceptorType, params object[] args)
    {
        ArgumentNullException.ThrowIfNull(interceptorType);
        if (!interceptorType.IsSubclassOf(typeof(Interceptor)))
        {
            throw new ArgumentException($"{interceptorType} does not inherit from {typeof(Interceptor)}.", nameof(interceptorType));
        }
        Add(new InterceptorRegistration(interceptorType, args));
    }
}

public class InterceptorRegistration
{
    private readonly object[] _arguments;

    internal InterceptorRegistration(Type type, object[] arguments)
    {
        if (arguments.Contains(null))
        {
            throw new ArgumentException("An interceptor's arguments are not null.", nameof(arguments));
        }
        Type = type;
        _arguments = arguments;
    }

    public Type Type { get; }

    public IReadOnlyList<object> Arguments => _arguments;

    internal Activated<Interceptor> Activate(IServiceProvider services) =>
        Activated<Interceptor>.From(services, Type, _arguments);
}
