using System.Collections.Frozen;
using Grpc.Core;
using Grpc.Health.V1;
using Linformer.Coordinator.Services.Guard;
using Microsoft.Extensions.Hosting;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Linformer.Coordinator.Services.Health;

/// <summary>
/// gRPC's health-checking protocol, for everybody: a check looks at a flag and nothing else, and only so many watches are open at once.
/// A coordinator that stands by does not listen, so whoever is answered talks to the active one.
/// </summary>
internal sealed class HealthService(ServingState state, IHostApplicationLifetime lifetime) : Grpc.Health.V1.Health.HealthBase
{
    private const int MostWatches = 256;

    private static readonly FrozenSet<string> Known =
        new[] { Protocol.V1.Jobs.Descriptor, Protocol.V1.Corpora.Descriptor, Protocol.V1.Workers.Descriptor, Protocol.V1.Cluster.Descriptor, Protocol.V1.Agents.Descriptor, Protocol.V1.Tokens.Descriptor, Descriptor }
            .Select(service => service.FullName).Append("").ToFrozenSet(StringComparer.Ordinal);

    private static int _watches;

    private static Google.Protobuf.Reflection.ServiceDescriptor Descriptor => Grpc.Health.V1.Health.Descriptor;

    public override Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context) => Known.Contains(request.Service)
        ? Task.FromResult(new HealthCheckResponse { Status = StatusOf(state.Now.Serves) })
        : throw Refusal.NotFound($"There is no service {Refusal.Show(request.Service)}.");

    public override async Task Watch(HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
    {
        if (Interlocked.Increment(ref _watches) > MostWatches)
        {
            Interlocked.Decrement(ref _watches);
            throw Refusal.Exhausted($"{MostWatches} watches of the health are open already, the most that this coordinator keeps. Use Check.");
        }
        try
        {
            await WatchAsync(Known.Contains(request.Service), responseStream, context.CancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref _watches);
        }
    }

    // A service that is not known may come with a later release, says the protocol: the call stays open.
    private async Task WatchAsync(bool known, IServerStreamWriter<HealthCheckResponse> responses, CancellationToken cancellationToken)
    {
        ServingStatus? told = null;
        while (true)
        {
            var (serves, changed) = state.Now;
            var stops = lifetime.ApplicationStopping.IsCancellationRequested;
            var status = known ? StatusOf(serves && !stops) : ServingStatus.ServiceUnknown;
            if (status != told)
                await responses.WriteAsync(new HealthCheckResponse { Status = status }, cancellationToken);
            told = status;
            if (stops)
                return;
            await changed.WaitAsync(cancellationToken);
        }
    }

    private static ServingStatus StatusOf(bool serves) => serves ? ServingStatus.Serving : ServingStatus.NotServing;
}
