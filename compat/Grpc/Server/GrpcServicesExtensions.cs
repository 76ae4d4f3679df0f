using Grpc.AspNetCore.Server;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Microsoft.Extensions.DependencyInjection
{
    public static class GrpcServicesExtensions
    {
        public static IGrpcServerBuilder AddGrpc(this IServiceCollection services)
        {
            ArgumentNullException.ThrowIfNull(services);
            services.AddRouting(options => options.SetParameterPolicy<GrpcRequestConstraint>(GrpcRequestConstraint.Name));
            services.AddOptions();
            services.TryAddSingleton<ServiceRegistry>();
            return new GrpcServerBuilder(services);
        }

        public static IGrpcServerBuilder AddGrpc(this IServiceCollection services, Action<GrpcServiceOptions> configureOptions)
        {
            ArgumentNullException.ThrowIfNull(services);
            return services.Configure(configureOptions).AddGrpc();
        }

        private sealed record GrpcServerBuilder(IServiceCollection Services) : IGrpcServerBuilder;
    }
}

namespace Microsoft.AspNetCore.Builder
{
    public static class GrpcEndpointRouteBuilderExtensions
    {
        /// <summary>Maps the methods of a service class that derives from a generated base.</summary>
        public static GrpcServiceEndpointConventionBuilder MapGrpcService<TService>(this IEndpointRouteBuilder builder)
            where TService : class
        {
            ArgumentNullException.ThrowIfNull(builder);
            var registry = builder.ServiceProvider.GetService(typeof(ServiceRegistry)) as ServiceRegistry
                ?? throw new InvalidOperationException("gRPC's services are missing: call services.AddGrpc() first.");
            return new GrpcServiceEndpointConventionBuilder(registry.Map<TService>(builder));
        }
    }

    public sealed class GrpcServiceEndpointConventionBuilder : IEndpointConventionBuilder
    {
        private readonly List<IEndpointConventionBuilder> _builders;

        internal GrpcServiceEndpointConventionBuilder(IEnumerable<IEndpointConventionBuilder> builders)
        {
            _builders = [.. builders];
        }

        public void Add(Action<EndpointBuilder> convention) => _builders.ForEach(b => b.Add(convention));

        public void Finally(Action<EndpointBuilder> finallyConvention) => _builders.ForEach(b => b.Finally(finallyConvention));
    }
}

namespace Grpc.AspNetCore.Server
{
    public interface IGrpcServerBuilder
    {
        IServiceCollection Services { get; }
    }

    /// <summary>An endpoint's metadata: which method it serves.</summary>
    public sealed class GrpcMethodMetadata
    {
        public GrpcMethodMetadata(Type serviceType, Core.IMethod method)
        {
            ArgumentNullException.ThrowIfNull(serviceType);
            ArgumentNullException.ThrowIfNull(method);
            ServiceType = serviceType;
            Method = method;
        }

        public Type ServiceType { get; }

        public Core.IMethod Method { get; }
    }
}
