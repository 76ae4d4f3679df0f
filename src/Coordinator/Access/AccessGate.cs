using System.Globalization;
using System.Net;
using System.Text;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Rest;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Telemetry;
using Linformer.Protocol.V1;
using Microsoft.AspNetCore.Http;
using Serilog;
using Status = Grpc.Core.Status;

namespace Linformer.Coordinator.Access;

/// <summary>
/// Stands before every route, gRPC's and others: lets in who is recognised, and answers to all others before a byte of
/// their messages is read. What a gRPC method asks of a role is checked in <see cref="CallGuard"/>, which knows the request.
/// </summary>
internal sealed class AccessGate(Authenticator authenticator, CallRates rates, WaitingCalls waiting, TokenMask mask, AuditLog audit, ILogger logger)
{
    /// <summary>Handles a request.</summary>
    public async Task InvokeAsync(HttpContext http, Func<Task> next)
    {
        var endpoint = Served(http);
        if (AccessRules.IsPublic(endpoint))
        {
            await next();
            return;
        }
        var rule = AccessRules.Of(endpoint);
        var (caller, refused) = authenticator.Recognise(http, rule is { Worker: true });
        refused ??= rates.Count(caller!) ?? WhyNot(http, endpoint, rule, caller!);
        IDisposable? place = null;
        if (refused is null)
            (place, refused) = waiting.Enter(http, caller!);
        if (refused is null)
        {
            http.Items[typeof(Principal)] = caller;
            using (place)
                await next();
            return;
        }
        logger.Debug("{Path:l} from {Peer} was refused: {Status}", Refusal.Show(mask.Text(http.Request.Path.ToString())), http.Connection.RemoteIpAddress, refused.Status);
        if (rule is { Changes: true } or { Worker: true })
            await AuditAsync(http, caller, refused);
        await AnswerAsync(http, refused.Status);
    }

    private RpcException? WhyNot(HttpContext http, Endpoint? endpoint, Protocol.V1.Access? rule, Principal caller)
    {
        if (rule is null)
        {
            var path = Refusal.Show(mask.Text(http.Request.Path.ToString()));
            return endpoint?.Metadata.GetMetadata<GrpcMethodMetadata>() is null
                ? new RpcException(new Status(StatusCode.Unimplemented, $"This coordinator knows nothing of {path}."))
                : Refusal.Denied($"Nobody may call {path}.");
        }
        return endpoint!.Metadata.GetMetadata<GrpcMethodMetadata>() is not null && IsGrpc(http) ? null : WhyNot(caller, rule, AccessRules.NameOf(http));
    }

    // gRPC and HTTP have listeners each; what belongs to the one is not there on the other.
    private static Endpoint? Served(HttpContext http) =>
        http.GetEndpoint() is { } endpoint && Listeners.IsHttp(http) != (endpoint.Metadata.GetMetadata<GrpcMethodMetadata>() is not null) ? endpoint : null;

    /// <summary>Why a role does not allow a call; null if it does.</summary>
    public static RpcException? WhyNot(Principal caller, Protocol.V1.Access rule, string called)
    {
        if (rule.Worker)
            return caller.Kind == PrincipalKind.Worker ? null : Refusal.Denied($"{called} is for workers.");
        return caller.Kind != PrincipalKind.Worker && rule.Role != Role.Unspecified && caller.Role >= rule.Role
            ? null
            : Refusal.Denied($"{called} needs the role {RoleNames.Of(rule.Role)}; the user '{caller.User}' has the role {caller.RoleName}. An admin makes tokens with other roles.");
    }

    // A flood of such calls leaves few rows. That they cannot be written does not let anybody in.
    private async Task AuditAsync(HttpContext http, Principal? caller, RpcException refused)
    {
        try
        {
            await audit.WriteRefusedAsync(caller, "", Peer(http), AccessRules.NameOf(http), "", refused.Status);
        }
        catch (StorageException exception)
        {
            CoordinatorInstruments.CountAuditFailure("refusal");
            logger.Warning("A refused call could not be recorded in the audit log: {Reason:l}", exception.Message);
        }
    }

    /// <summary>The address that a call came from, without its port.</summary>
    public static string Peer(HttpContext http) => http.Connection.RemoteIpAddress switch
    {
        null => "",
        { IsIPv4MappedToIPv6: true } mapped => mapped.MapToIPv4().ToString(),
        var address => address.ToString(),
    };

    private static bool IsGrpc(HttpContext http) => http.Request.ContentType?.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase) == true;

    private static async Task AnswerAsync(HttpContext http, Status status)
    {
        if (IsGrpc(http) && !Listeners.IsHttp(http))
        {
            // A response of headers alone, which ends the call.
            http.Response.ContentType = "application/grpc";
            http.Response.Headers["grpc-status"] = ((int)status.StatusCode).ToString(CultureInfo.InvariantCulture);
            http.Response.Headers["grpc-message"] = Encode(status.Detail);
            return;
        }
        if (Listeners.IsHttp(http))
        {
            await Problem.WriteAsync(http, status.StatusCode == StatusCode.Unimplemented ? new Status(StatusCode.NotFound, status.Detail) : status);
            return;
        }
        http.Response.StatusCode = (int)(status.StatusCode switch
        {
            StatusCode.Unauthenticated => HttpStatusCode.Unauthorized,
            StatusCode.PermissionDenied => HttpStatusCode.Forbidden,
            StatusCode.ResourceExhausted => HttpStatusCode.TooManyRequests,
            _ => HttpStatusCode.NotFound,
        });
        if (status.StatusCode == StatusCode.Unauthenticated)
            http.Response.Headers.WWWAuthenticate = "Bearer";
        http.Response.ContentType = "text/plain; charset=utf-8";
        await http.Response.WriteAsync(status.Detail + "\n", http.RequestAborted);
    }

    // As gRPC's protocol has it: everything but visible ASCII, and the percent sign, in UTF-8 as %XX.
    private static string Encode(string message)
    {
        var encoded = new StringBuilder();
        foreach (var one in Encoding.UTF8.GetBytes(message))
        {
            if (one is >= 0x20 and <= 0x7e and not (byte)'%')
                encoded.Append((char)one);
            else
                encoded.Append('%').Append(one.ToString("X2", CultureInfo.InvariantCulture));
        }
        return encoded.ToString();
    }
}
