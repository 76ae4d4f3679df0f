using System.Reflection;
using Grpc.Core;
using Grpc.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Grpc.AspNetCore.Server;

/// <summary>Makes endpoints of services' methods, and those that answer for unknown services and methods.</summary>
internal sealed class ServiceRegistry(IOptions<GrpcServiceOptions> options, ILoggerFactory loggers)
{
    private readonly HashSet<string> _services = new(StringComparer.Ordinal);

    public IEnumerable<IEndpointConventionBuilder> Map<TService>(IEndpointRouteBuilder routes)
        where TService : class
    {
        var binder = new ServiceBinder<TService>(options.Value, loggers);
        Bind(binder, typeof(TService));

        var endpoints = new List<IEndpointConventionBuilder>();
        foreach (var (method, handler, metadata) in binder.Methods)
        {
            var endpoint = routes.Map(method.FullName, handler);
            endpoint.Add(e =>
            {
                e.DisplayName = $"gRPC - {method.FullName}";
                e.Metadata.Add(new GrpcMethodMetadata(typeof(TService), method));
                foreach (var item in metadata)
                {
                    e.Metadata.Add(item);
                }
            });
            endpoints.Add(endpoint);
        }
        if (options.Value.IgnoreUnknownServices != true)
        {
            if (_services.Count == 0)
            {
                endpoints.Add(MapUnimplemented(routes, "{unimplementedService}", "Service is unimplemented."));
            }
            foreach (var service in binder.Methods.Select(m => m.Method.ServiceName).Distinct().Where(_services.Add))
            {
                endpoints.Add(MapUnimplemented(routes, service, "Method is unimplemented."));
            }
        }
        return endpoints;
    }

    private static IEndpointConventionBuilder MapUnimplemented(IEndpointRouteBuilder routes, string service, string detail)
    {
        var endpoint = routes.Map($"{service}/{{unimplementedMethod:{GrpcRequestConstraint.Name}}}", context =>
        {
            context.Response.ContentType = Wire.ContentType;
            Responses.SetStatus(context.Response, new Status(StatusCode.Unimplemented, detail));
            return Task.CompletedTask;
        });
        endpoint.Add(e => e.DisplayName = $"gRPC - unimplemented: {service}");
        return endpoint;
    }

    private static void Bind(ServiceBinderBase binder, Type service)
    {
        for (var type = service; type != null; type = type.BaseType)
        {
            if (type.GetCustomAttribute<BindServiceMethodAttribute>(inherit: false) is { } attribute)
            {
                var bind = attribute.BindType.GetMethod(
                    attribute.BindMethodName, BindingFlags.Public | BindingFlags.Static, [typeof(ServiceBinderBase), type]);
                bind?.Invoke(null, BindingFlags.DoNotWrapExceptions, binder: null, [binder, null], culture: null);
                return;
            }
        }
    }
}

/// <summary>Routes only gRPC's requests to an endpoint.</summary>
internal sealed class GrpcRequestConstraint : IRouteConstraint
{
    public const string Name = "grpcunimplemented";

    public bool Match(
        HttpContext? httpContext, IRouter? route, string routeKey, RouteValueDictionary values, RouteDirection routeDirection) =>
        httpContext != null
        && HttpMethods.IsPost(httpContext.Request.Method)
        && Wire.IsGrpc(httpContext.Request.ContentType);
}
