namespace Linformer.Coordinator.Access;

/// <summary>In the metadata of a route over HTTP: the gRPC method that it is.</summary>
/// <param name="FullName">Such as <c>/linformer.v1.Jobs/Submit</c>.</param>
/// <param name="Streams">Whether its answer is a stream.</param>
internal sealed record CalledMethod(string FullName, bool Streams);

/// <summary>In the metadata of a route: it is answered to everybody, before anybody is recognised.</summary>
internal sealed class PublicRoute
{
    private PublicRoute()
    {
    }

    /// <summary>The only one.</summary>
    public static PublicRoute Instance { get; } = new();
}
