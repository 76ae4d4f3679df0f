using Grpc.AspNetCore.Server;
using Linformer.Coordinator.Access;
using Microsoft.AspNetCore.Routing;

namespace Linformer.Coordinator;

/// <summary>Something that a coordinator serves.</summary>
/// <param name="Pattern">Its path, such as <c>/linformer.v1.Jobs/List</c>; parts in braces stand for any text.</param>
/// <param name="IsGrpcMethod">Whether it is a gRPC method.</param>
/// <param name="Rule">Who may call it; null for nobody, as where gRPC answers for methods that are not there.</param>
public sealed record CoordinatorRoute(string Pattern, bool IsGrpcMethod, Protocol.V1.Access? Rule)
{
    internal static CoordinatorRoute Of(RouteEndpoint endpoint) =>
        new(endpoint.RoutePattern.RawText ?? "", endpoint.Metadata.GetMetadata<GrpcMethodMetadata>() is not null, AccessRules.Of(endpoint));
}
