using Grpc.Core;
using Grpc.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;

namespace Grpc.AspNetCore.Server;

/// <summary>Runs a call from its HTTP request to its status.</summary>
internal sealed class CallHandler(GrpcServiceOptions options, ILoggerFactory loggers)
{
    private readonly ILogger _log = loggers.CreateLogger("Grpc.AspNetCore.Server.ServerCallHandler");

    public async Task HandleAsync(HttpContext http, IMethod method, Func<HttpServerCallContext, Task> run)
    {
        if (!Wire.IsGrpc(http.Request.ContentType))
        {
            Refuse(http, StatusCodes.Status415UnsupportedMediaType, http.Request.ContentType == null
                ? "Content-Type is missing from the request."
                : $"Content-Type '{http.Request.ContentType}' is not supported.");
            return;
        }
        if (!HttpProtocol.IsHttp2(http.Request.Protocol) && !HttpProtocol.IsHttp3(http.Request.Protocol))
        {
            http.Response.Headers[HeaderNames.Upgrade] = HttpProtocol.Http2;
            Refuse(http, StatusCodes.Status426UpgradeRequired, $"Request protocol '{http.Request.Protocol}' is not supported.");
            return;
        }

        http.Response.ContentType = Wire.ContentType;
        await using var call = new HttpServerCallContext(http, options);
        try
        {
            call.StartDeadline(_log);
            await run(call);
        }
        catch (Exception e)
        {
            call.Fail(e, method, _log);
        }
        await call.EndAsync();
    }

    private void Refuse(HttpContext http, int httpStatus, string detail)
    {
        _log.LogInformation("A request was refused: {Detail}", detail);
        http.Response.StatusCode = httpStatus;
        Responses.SetStatus(http.Response, new Status(StatusCode.Internal, detail));
    }
}
