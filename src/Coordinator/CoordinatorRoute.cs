using System.Collections.Immutable;
using Grpc.AspNetCore.Server;
using Linformer.Coordinator.Access;
using Microsoft.AspNetCore.Routing;

namespace Linformer.Coordinator;

/// <summary>Something that a coordinator serves.</summary>
/// <param name="Pattern">Its path, such as <c>/linformer.v1.Jobs/List</c>; parts in braces stand for any text.</param>
/// <param name="IsGrpcMethod">Whether it is a gRPC method.</param>
/// <param name="Rule">Who may call it; null for nobody but with <see cref="IsPublic"/>, as where gRPC answers for methods that are not there.</param>
public sealed record CoordinatorRoute(string Pattern, bool IsGrpcMethod, Protocol.V1.Access? Rule)
{
    /// <summary>Whether everybody may call it, without being recognised.</summary>
    public bool IsPublic { get; init; }

    /// <summary>The verbs of HTTP that it takes; empty for any.</summary>
    public ImmutableArray<string> Verbs { get; init; } = [];

    internal static CoordinatorRoute Of(RouteEndpoint endpoint) =>
        new(endpoint.RoutePattern.RawText ?? "", endpoint.Metadata.GetMetadata<GrpcMethodMetadata>() is not null, AccessRules.Of(endpoint))
        {
            IsPublic = AccessRules.IsPublic(endpoint),
            Verbs = [.. endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? []],
        };
}
