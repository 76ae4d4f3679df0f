using Grpc.Core;
using Grpc.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Grpc.AspNetCore.Server;

/// <summary>Puts a call's end into its HTTP response.</summary>
internal static class Responses
{
    /// <summary>Before the response has started, status and trailers go into its headers ("trailers-only").</summary>
    public static IHeaderDictionary TrailersOf(HttpResponse response)
    {
        if (!response.HasStarted)
        {
            return response.Headers;
        }
        return response.HttpContext.Features.Get<IHttpResponseTrailersFeature>()?.Trailers is { IsReadOnly: false } trailers
            ? trailers
            : throw new InvalidOperationException("The response takes no trailers; gRPC needs HTTP/2.");
    }

    public static void SetStatus(HttpResponse response, Status status)
    {
        var trailers = TrailersOf(response);
        trailers[Wire.Status] = ((int)status.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture);
        trailers[Wire.Message] = string.IsNullOrEmpty(status.Detail) ? default : Wire.EncodeMessage(status.Detail);
    }

    public static void Append(IHeaderDictionary target, Metadata metadata)
    {
        foreach (var entry in metadata)
        {
            try
            {
                target.Append(entry.Key, entry.HeaderValue);
            }
            catch (InvalidOperationException e)
            {
                throw new InvalidOperationException($"The response header or trailer '{entry.Key}' cannot be added: {e.Message}", e);
            }
        }
    }
}
