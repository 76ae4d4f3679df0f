using Grpc.AspNetCore.Server;
using Microsoft.AspNetCore.Http;

namespace Grpc.Core;

public static class ServerCallContextExtensions
{
    /// <summary>The HTTP request that carries the call.</summary>
    public static HttpContext GetHttpContext(this ServerCallContext serverCallContext)
    {
        ArgumentNullException.ThrowIfNull(serverCallContext);
        if (serverCallContext is HttpServerCallContext call)
        {
            return call.Http;
        }
        return serverCallContext.UserState.TryGetValue("__HttpContext", out var http) && http is HttpContext context
            ? context
            : throw new InvalidOperationException("This call does not come over HTTP, so there is no HttpContext.");
    }
}
