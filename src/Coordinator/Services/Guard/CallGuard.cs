using Grpc.Core;
using Grpc.Core.Interceptors;
using Linformer.Coordinator.Hosting;
using Linformer.Protocol.Wire;
using Microsoft.Extensions.Hosting;
using Serilog;

namespace Linformer.Coordinator.Services.Guard;

/// <summary>Stands before every call: checks the protocol's version and the token, and makes statuses of exceptions.</summary>
internal sealed class CallGuard(CoordinatorTokens tokens, IHostApplicationLifetime lifetime, ILogger logger) : Interceptor
{
    private const string AgentsPrefix = "/linformer.v1.Agents/";

    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(context, () => continuation(request, context));

    public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(context, () => continuation(requestStream, context));

    public override Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request,
        IServerStreamWriter<TResponse> responseStream,
        ServerCallContext context,
        ServerStreamingServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(context, () => continuation(request, responseStream, context));

    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream,
        IServerStreamWriter<TResponse> responseStream,
        ServerCallContext context,
        DuplexStreamingServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(context, () => continuation(requestStream, responseStream, context));

    private async Task<TResult> RunAsync<TResult>(ServerCallContext context, Func<Task<TResult>> call)
    {
        try
        {
            Check(context);
            return await call();
        }
        catch (Exception exception)
        {
            throw Fail(context, exception);
        }
    }

    private async Task RunAsync(ServerCallContext context, Func<Task> call) =>
        await RunAsync(
            context,
            async () =>
            {
                await call();
                return true;
            });

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

    private void Check(ServerCallContext context)
    {
        var version = context.RequestHeaders.GetValue(MetadataNames.ProtocolVersion);
        if (version is not null && version != ProtocolVersion.Current.ToString())
        {
            throw Refusal.Precondition(
                $"The caller speaks protocol version {Refusal.Show(version)}; this coordinator speaks version {ProtocolVersion.Current}. Use the same release on both sides.");
        }
        if (context.Method.StartsWith(AgentsPrefix, StringComparison.Ordinal))
            CheckToken(context, tokens.IsJoinToken, "join token", CoordinatorTokens.JoinTokenFile);
        else if (!Listeners.IsLoopback(context.GetHttpContext()))
            CheckToken(context, tokens.IsUserToken, "user token", CoordinatorTokens.UserTokenFile);
    }

    private static void CheckToken(ServerCallContext context, Func<string, bool> isToken, string name, string file)
    {
        var header = context.RequestHeaders.GetValue(MetadataNames.Authorization);
        var where = $"It is in the file coordinator/{file} of the coordinator's data folder.";
        if (header is null)
            throw Refusal.Unauthenticated($"The {name} is missing: '{MetadataNames.Authorization}: {MetadataNames.BearerPrefix}TOKEN' is required. {where}");
        var given = header.StartsWith(MetadataNames.BearerPrefix, StringComparison.OrdinalIgnoreCase) ? header[MetadataNames.BearerPrefix.Length..].Trim() : "";
        if (!isToken(given))
            throw Refusal.Unauthenticated($"The {name} is wrong. {where}");
    }
}
