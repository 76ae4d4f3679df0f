using System.Net;
using Grpc.Core;
using Grpc.Protocol;

namespace Grpc.Net.Client;

/// <summary>Makes the HTTP request that a call begins with.</summary>
internal static class ClientRequest
{
    public static HttpRequestMessage Create(
        GrpcChannel channel, IMethod method, CallOptions options, TimeSpan? timeLeft, HttpContent content)
    {
        var address = new UriBuilder(channel.Address) { Path = method.FullName, Query = "" }.Uri;
        var request = new HttpRequestMessage(HttpMethod.Post, address)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        request.Headers.TryAddWithoutValidation("User-Agent", "grpc-dotnet/2.85.0 (compat)");
        request.Headers.TryAddWithoutValidation("TE", "trailers");
        request.Headers.TryAddWithoutValidation(Wire.AcceptEncoding, "identity");
        Add(request, options.Headers ?? Metadata.Empty);
        if (timeLeft is { } left)
        {
            request.Headers.TryAddWithoutValidation(Wire.Timeout, Wire.EncodeTimeout(left));
        }
        return request;
    }

    /// <summary>Credentials are for TLS, unless the channel allows them without.</summary>
    public static async Task AddCredentialsAsync(
        HttpRequestMessage request, GrpcChannel channel, IMethod method, CallOptions options, CancellationToken cancellationToken)
    {
        if (!channel.SendsCallCredentials)
        {
            return;
        }
        var metadata = new Metadata();
        var service = $"{channel.Address.GetLeftPart(UriPartial.Authority)}/{method.ServiceName}";
        var context = new AuthInterceptorContext(service, method.Name, cancellationToken);
        if (options.Credentials != null)
        {
            await options.Credentials.AddAsync(context, metadata);
        }
        foreach (var credentials in channel.CallCredentials)
        {
            await credentials.AddAsync(context, metadata);
        }
        Add(request, metadata);
    }

    private static void Add(HttpRequestMessage request, Metadata metadata)
    {
        foreach (var entry in metadata.Where(e => e.Key != Wire.Timeout))
        {
            request.Headers.TryAddWithoutValidation(entry.Key, entry.HeaderValue);
        }
    }
}
