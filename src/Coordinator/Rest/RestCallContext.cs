using Linformer.Coordinator.Services.Guard;
using Microsoft.AspNetCore.Http;

namespace Linformer.Coordinator.Rest;

/// <summary>A call over HTTP as the methods of gRPC know calls.</summary>
internal sealed class RestCallContext : InnerCallContext
{
    private readonly HttpContext _http;

    /// <summary>Makes the context.</summary>
    /// <param name="http">The call.</param>
    /// <param name="method">The method's full name.</param>
    public RestCallContext(HttpContext http, string method)
        : base(method, http.RequestAborted)
    {
        _http = http;
        // Where GetHttpContext looks for it in a context that is not gRPC's own.
        http.Items["__HttpContext"] = http;
    }

    protected override string HostCore => _http.Request.Host.Value ?? "";

    protected override string PeerCore => $"http:{_http.Connection.RemoteIpAddress}:{_http.Connection.RemotePort}";

    protected override IDictionary<object, object> UserStateCore => _http.Items!;
}
