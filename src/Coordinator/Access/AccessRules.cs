using System.Collections.Frozen;
using Grpc.AspNetCore.Server;
using Linformer.Protocol.V1;
using Microsoft.AspNetCore.Http;

namespace Linformer.Coordinator.Access;

/// <summary>
/// Who may call what: the option <c>access</c> of a gRPC method, or the <see cref="Protocol.V1.Access"/> in the metadata of another
/// route. What has no rule is answered to nobody, unless it says in so many words that it is for everybody: <see cref="PublicRoute"/>.
/// </summary>
internal static class AccessRules
{
    private static readonly FrozenDictionary<string, Protocol.V1.Access?> Methods =
        new[] { Protocol.V1.Jobs.Descriptor, Protocol.V1.Corpora.Descriptor, Protocol.V1.Workers.Descriptor, Protocol.V1.Cluster.Descriptor, Agents.Descriptor, Tokens.Descriptor }
            .SelectMany(service => service.Methods)
            .ToFrozenDictionary(method => $"/{method.Service.FullName}/{method.Name}", method => method.GetOptions()?.GetExtension(AccessExtensions.Access), StringComparer.Ordinal);

    /// <summary>The rule of a gRPC method; null if it has none.</summary>
    /// <param name="method">Such as <c>/linformer.v1.Jobs/Submit</c>.</param>
    public static Protocol.V1.Access? Of(string method) =>
        Methods.GetValueOrDefault(method) is { } rule && (rule.Worker || rule.Role != Role.Unspecified) ? rule : null;

    /// <summary>The full name of the gRPC method that a route is; a path may differ from it in upper and lower case.</summary>
    public static string NameOf(HttpContext http) =>
        http.GetEndpoint()?.Metadata is { } metadata
            ? metadata.GetMetadata<GrpcMethodMetadata>()?.Method.FullName ?? metadata.GetMetadata<CalledMethod>()?.FullName ?? http.Request.Path.ToString()
            : http.Request.Path.ToString();

    /// <summary>Whether a route is answered to everybody.</summary>
    public static bool IsPublic(Endpoint? endpoint) => endpoint?.Metadata.GetMetadata<PublicRoute>() is not null;

    /// <summary>The rule of a route; null if it has none.</summary>
    public static Protocol.V1.Access? Of(Endpoint? endpoint) =>
        endpoint?.Metadata.GetMetadata<GrpcMethodMetadata>() is { } method ? Of(method.Method.FullName) : endpoint?.Metadata.GetMetadata<Protocol.V1.Access>();
}
