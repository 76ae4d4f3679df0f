using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Grpc.Core;
using Grpc.Protocol;

namespace Grpc.Net.Client;

/// <summary>What an HTTP response, or the failure to get one, means in terms of gRPC.</summary>
internal static class ResponseParts
{
    /// <summary>The status of a response without messages ("trailers-only"), or of one that is not gRPC; null if messages may follow.</summary>
    public static Status? EarlyStatus(HttpResponseMessage response)
    {
        if (TryReadStatus(response.Headers) is { } status)
        {
            return status;
        }
        if (response.Version < HttpVersion.Version20)
        {
            return new Status(StatusCode.Internal, $"Bad gRPC response. Response protocol downgraded to HTTP/{response.Version.ToString(2)}.");
        }
        if (response.StatusCode != HttpStatusCode.OK)
        {
            return new Status(FromHttp(response.StatusCode), $"Bad gRPC response. HTTP status code: {(int)response.StatusCode}");
        }
        var contentType = Single(response.Content.Headers, "Content-Type");
        if (contentType == null)
        {
            return new Status(StatusCode.Cancelled, "Bad gRPC response. Response did not have a content-type header.");
        }
        return Wire.IsGrpc(contentType)
            ? null
            : new Status(StatusCode.Cancelled, "Bad gRPC response. Invalid content-type value: " + contentType);
    }

    /// <summary>The status after the last message.</summary>
    public static Status FinalStatus(HttpResponseMessage response)
    {
        try
        {
            return TryReadStatus(response.TrailingHeaders)
                ?? TryReadStatus(response.Headers)
                ?? new Status(StatusCode.Cancelled, "No grpc-status found on response.");
        }
        catch (InvalidOperationException e)
        {
            return new Status(StatusCode.Cancelled, e.Message, e);
        }
    }

    public static Metadata ToMetadata(HttpHeaders headers)
    {
        var metadata = new Metadata();
        foreach (var (name, values) in headers.NonValidated)
        {
            if (name.ToLowerInvariant() is Wire.Status or Wire.Message or Wire.Encoding or Wire.AcceptEncoding or "content-type" or "content-encoding")
            {
                continue;
            }
            foreach (var value in values)
            {
                if (name.EndsWith(Metadata.BinaryHeaderSuffix, StringComparison.OrdinalIgnoreCase))
                {
                    metadata.Add(name, Wire.DecodeBinary(value));
                }
                else
                {
                    metadata.Add(name, value);
                }
            }
        }
        return metadata;
    }

    public static string? Encoding(HttpResponseMessage response) =>
        response.Headers.NonValidated.TryGetValues(Wire.Encoding, out var values) ? values.FirstOrDefault() : "identity";

    public static Status FromException(string summary, Exception exception) =>
        new(CodeOf(exception), $"{summary} {Wire.Describe(exception)}", exception);

    private static StatusCode CodeOf(Exception exception)
    {
        StatusCode? code = null;
        var connectionFailed = false;
        for (var e = exception; e != null; e = e.InnerException)
        {
            if (e is HttpProtocolException reset)
            {
                code = FromReset(reset.ErrorCode);
            }
            connectionFailed |= e is SocketException or IOException;
        }
        return code ?? (connectionFailed ? StatusCode.Unavailable : StatusCode.Internal);
    }

    /// <summary>By gRPC's specification, for HTTP/2's error codes.</summary>
    private static StatusCode FromReset(long code) => code switch
    {
        0x7 => StatusCode.Unavailable,
        0x8 => StatusCode.Cancelled,
        0xb => StatusCode.ResourceExhausted,
        0xc => StatusCode.PermissionDenied,
        _ => StatusCode.Internal,
    };

    private static StatusCode FromHttp(HttpStatusCode code) => code switch
    {
        HttpStatusCode.BadRequest or HttpStatusCode.RequestHeaderFieldsTooLarge => StatusCode.Internal,
        HttpStatusCode.Unauthorized => StatusCode.Unauthenticated,
        HttpStatusCode.Forbidden => StatusCode.PermissionDenied,
        HttpStatusCode.NotFound => StatusCode.Unimplemented,
        HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout =>
            StatusCode.Unavailable,
        _ => (int)code is >= 100 and < 200 ? StatusCode.Internal : StatusCode.Unknown,
    };

    private static Status? TryReadStatus(HttpHeaders headers)
    {
        if (Single(headers, Wire.Status) is not { } text)
        {
            return null;
        }
        if (!int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var code))
        {
            throw new InvalidOperationException("Unexpected grpc-status value: " + text);
        }
        return new Status((StatusCode)code, Wire.DecodeMessage(Single(headers, Wire.Message) ?? ""));
    }

    private static string? Single(HttpHeaders headers, string name)
    {
        if (!headers.NonValidated.TryGetValues(name, out var values))
        {
            return null;
        }
        return values.Count == 1 ? values.First() : throw new InvalidOperationException($"Multiple {name} headers.");
    }
}
