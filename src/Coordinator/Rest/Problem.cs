using System.Buffers;
using System.Globalization;
using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Protocol.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Rest;

/// <summary>Answers of errors as RFC 9457 has them: <c>{type, title, status, detail, code, problems?}</c>.</summary>
internal static class Problem
{
    /// <summary>The content type.</summary>
    public const string ContentType = "application/problem+json";

    private const int ClientClosedRequest = 499;

    /// <summary>The HTTP status that says what a status of gRPC does.</summary>
    public static int HttpStatus(StatusCode code) => code switch
    {
        StatusCode.InvalidArgument or StatusCode.OutOfRange => StatusCodes.Status400BadRequest,
        StatusCode.Unauthenticated => StatusCodes.Status401Unauthorized,
        StatusCode.PermissionDenied => StatusCodes.Status403Forbidden,
        StatusCode.NotFound => StatusCodes.Status404NotFound,
        StatusCode.AlreadyExists or StatusCode.FailedPrecondition or StatusCode.Aborted => StatusCodes.Status409Conflict,
        StatusCode.ResourceExhausted => StatusCodes.Status429TooManyRequests,
        StatusCode.Cancelled => ClientClosedRequest,
        StatusCode.Unimplemented => StatusCodes.Status501NotImplemented,
        StatusCode.Unavailable => StatusCodes.Status503ServiceUnavailable,
        StatusCode.DeadlineExceeded => StatusCodes.Status504GatewayTimeout,
        _ => StatusCodes.Status500InternalServerError,
    };

    /// <summary>A status of gRPC as JSON names it, such as <c>not_found</c>.</summary>
    public static string CodeOf(StatusCode code) => StatusName.Of(code).ToLowerInvariant();

    /// <summary>Answers with a status of gRPC.</summary>
    /// <param name="http">The call, which has not been answered.</param>
    /// <param name="status">What is wrong.</param>
    /// <param name="problems">All that is wrong with a job file.</param>
    public static Task WriteAsync(HttpContext http, Status status, IReadOnlyList<Proto.JobFileProblem>? problems = null)
    {
        var code = HttpStatus(status.StatusCode);
        if (code == StatusCodes.Status401Unauthorized)
        {
            http.Response.Headers.WWWAuthenticate = "Bearer";
            // One that is not taken any more only has the browser show it again and again.
            if (SessionCookie.Of(http) is not null)
                SessionCookie.Clear(http);
        }
        if (code is StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable)
            http.Response.Headers.RetryAfter = "1";
        return WriteAsync(http, code, CodeOf(status.StatusCode), status.Detail, problems);
    }

    /// <summary>Answers with a status of HTTP.</summary>
    /// <param name="http">The call, which has not been answered.</param>
    /// <param name="status">The status of HTTP.</param>
    /// <param name="code">A word for it.</param>
    /// <param name="detail">What is wrong, in words: the thing, its value, and what is allowed.</param>
    /// <param name="problems">All that is wrong with a job file.</param>
    public static async Task WriteAsync(HttpContext http, int status, string code, string detail, IReadOnlyList<Proto.JobFileProblem>? problems = null)
    {
        var body = new ArrayBufferWriter<byte>();
        using (var json = ProtoJson.NewWriter(body))
        {
            json.WriteStartObject();
            json.WriteString("type", "about:blank");
            json.WriteString("title", Title(status));
            json.WriteNumber("status", status);
            json.WriteString("detail", detail);
            json.WriteString("code", code);
            if (problems is { Count: > 0 })
            {
                json.WriteStartArray("problems");
                foreach (var problem in problems)
                    ProtoJson.Write(json, problem);
                json.WriteEndArray();
            }
            json.WriteEndObject();
        }
        http.Response.StatusCode = status;
        http.Response.ContentType = ContentType;
        http.Response.ContentLength = body.WrittenCount;
        if (!HttpMethods.IsHead(http.Request.Method))
            await http.Response.BodyWriter.WriteAsync(body.WrittenMemory, http.RequestAborted);
    }

    private static string Title(int status) => ReasonPhrases.GetReasonPhrase(status) is { Length: > 0 } phrase ? phrase : status.ToString(CultureInfo.InvariantCulture);
}
