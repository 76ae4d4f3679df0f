using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Telemetry;
using Linformer.Protocol.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Serilog;

namespace Linformer.Coordinator.Services.Guard;

/// <summary>
/// Stands before every call that the gate has let in: checks the protocol's version and the role, records changes in the audit
/// log, ends streams whose caller is not known any more, and makes statuses of exceptions.
/// </summary>
internal sealed class CallGuard(AuditLog audit, TokenMask mask, TimeProvider time, IHostApplicationLifetime lifetime, ILogger logger) : Interceptor
{
    /// <summary>Marks, in the state of a call, that the worker was let in.</summary>
    public static readonly object Joined = new();

    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(request, context, () => continuation(request, context));

    public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(null, context, () => WatchAsync(context, watched => continuation(requestStream, watched)));

    public override Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request,
        IServerStreamWriter<TResponse> responseStream,
        ServerCallContext context,
        ServerStreamingServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(request, context, () => WatchAsync(context, watched => Done(continuation(request, responseStream, watched))));

    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream,
        IServerStreamWriter<TResponse> responseStream,
        ServerCallContext context,
        DuplexStreamingServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(null, context, () => WatchAsync(context, watched => Done(continuation(requestStream, responseStream, watched))));

    private static async Task<object?> Done(Task call)
    {
        await call;
        return null;
    }

    private async Task<TResult> RunAsync<TResult>(object? request, ServerCallContext context, Func<Task<TResult>> call)
    {
        var http = context.GetHttpContext();
        var rule = AccessRules.Of(http.GetEndpoint());
        WaitingCalls.LeaveStream(http);
        TResult result;
        if (AccessRules.IsPublic(http.GetEndpoint()))
            return await RunPublicAsync(context, call);
        try
        {
            if (request is IMessage message)
                mask.Apply(message);
            Check(context, rule);
            result = await call();
        }
        catch (Exception exception)
        {
            var error = Fail(context, exception);
            await AuditAsync(rule, context, request, null, error.Status);
            throw error;
        }
        await AuditAsync(rule, context, request, result, Status.DefaultSuccess);
        return result;
    }

    // Nobody is recognised, so there is nothing to check, to end or to record.
    private async Task<TResult> RunPublicAsync<TResult>(ServerCallContext context, Func<Task<TResult>> call)
    {
        try
        {
            return await call();
        }
        catch (Exception exception)
        {
            throw Fail(context, exception);
        }
    }

    private void Check(ServerCallContext context, Protocol.V1.Access? rule)
    {
        var caller = Principal.Of(context);
        // The gate knew the caller by the headers; the message may have come much later.
        if (caller.Ended() is { } ended)
            throw ended;
        if (rule is null)
            throw Refusal.Denied($"Nobody may call {Refusal.Show(context.Method)}.");
        var version = context.RequestHeaders.GetValue(MetadataNames.ProtocolVersion);
        if (version is not null && !ProtocolVersion.IsSpoken(version))
        {
            throw Refusal.Precondition(
                $"The caller speaks protocol version {Refusal.Show(mask.Text(version))}; this coordinator speaks {ProtocolVersion.Spoken}. Use the same release on both sides, or one that is next to it.");
        }
        if (AccessGate.WhyNot(caller, rule, context.Method) is { } refused)
            throw refused;
    }

    private async Task<TResult> WatchAsync<TResult>(ServerCallContext context, Func<ServerCallContext, Task<TResult>> call)
    {
        if (AccessRules.IsPublic(context.GetHttpContext().GetEndpoint()))
            return await call(context);
        await using var watched = new WatchedCall(context, Principal.Of(context), time);
        try
        {
            return await call(watched.Context);
        }
        catch (Exception) when (watched.Ended is not null)
        {
            throw watched.Ended;
        }
    }

    private RpcException Fail(ServerCallContext context, Exception exception)
    {
        var (error, own) = CallErrors.Map(
            exception, context.CancellationToken.IsCancellationRequested, lifetime.ApplicationStopping.IsCancellationRequested);
        if (own)
            logger.Error(exception, "{Method:l} from {Peer:l} failed", context.Method, context.Peer);
        else
            logger.Debug("{Method} from {Peer} was answered with {Status}", context.Method, context.Peer, error.Status);
        return error;
    }

    // What anybody can provoke without end, and what changed nothing for certain.
    private static bool ChangedNothing(StatusCode status) => status is not (
        StatusCode.OK or StatusCode.Unavailable or StatusCode.Internal or StatusCode.Unknown or StatusCode.DataLoss);

    // Before the answer goes out: what is not in the log has not been answered with success.
    private async Task AuditAsync(Protocol.V1.Access? rule, ServerCallContext context, object? request, object? response, Status status)
    {
        // A worker that was let in has its row since then.
        if (rule is not { Changes: true } && (rule is not { Worker: true } || status.StatusCode == StatusCode.OK || context.UserState.ContainsKey(Joined)))
            return;
        try
        {
            var (target, given) = AuditTarget.Of(request, response);
            var http = context.GetHttpContext();
            var (caller, peer, method) = (Principal.Of(context), AccessGate.Peer(http), AccessRules.NameOf(http));
            await (rule.Worker || ChangedNothing(status.StatusCode)
                ? audit.WriteRefusedAsync(caller, given, peer, method, target, status)
                : audit.WriteAsync(caller, given, peer, method, target, status));
        }
        catch (StorageException exception)
        {
            CoordinatorInstruments.CountAuditFailure("call");
            logger.Error("{Method:l} from {Peer:l} is not in the audit log: {Reason:l}", context.Method, context.Peer, exception.Message);
            if (status.StatusCode == StatusCode.OK)
                throw Refusal.Unavailable($"It was done, but could not be recorded in the audit log; the coordinator's log tells why.");
        }
    }
}
