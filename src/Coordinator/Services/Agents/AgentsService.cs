using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Workers;
using Microsoft.Extensions.Hosting;
using Serilog;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Agents;

/// <summary>The streams of the agents.</summary>
internal sealed class AgentsService(
    IGrainFactory grains,
    IJobStore jobs,
    ITelemetryStore telemetry,
    SchedulerPoker scheduler,
    CoordinatorDatabase database,
    StorageId storage,
    CoordinatorOptions options,
    TokenMask mask,
    AuditLog audit,
    IHostApplicationLifetime lifetime,
    ILogger logger) : Proto.Agents.AgentsBase
{
    private static readonly TimeSpan HelloPatience = TimeSpan.FromSeconds(5);

    public override async Task Connect(
        IAsyncStreamReader<Proto.AgentMessage> requestStream, IServerStreamWriter<Proto.CoordinatorMessage> responseStream, ServerCallContext context)
    {
        if (lifetime.ApplicationStopping.IsCancellationRequested)
            throw Refusal.Unavailable("The coordinator is stopping; it may come back.");
        var hello = await ReadHelloAsync(requestStream, context.CancellationToken);
        mask.Apply(hello);
        var identity = HelloCheck.Check(hello, database.Epoch);
        if (Principal.Of(context).WorkerName is { } only && only != identity.Name)
            throw Refusal.Denied($"The certificate is for the worker {Refusal.Show(only)}; this one's name is '{identity.Name}'.");
        var grain = grains.GetGrain<IWorkerGrain>(identity.Name);
        // Whoever hangs up meanwhile is connected until it is disconnected below; a session that nobody knows of would hold the name.
        var session = await grain.Connect(identity, CancellationToken.None);
        try
        {
            context.UserState[CallGuard.Joined] = true;
            await AuditAsync(context, identity.Name);
            await responseStream.WriteAsync(Welcome(hello.ProtocolVersion));
            await scheduler.PokeAsync(identity.Name, context.CancellationToken);
            var coordinator = new AgentContext(grains, jobs, telemetry, scheduler, database.Epoch, logger);
            await new AgentSession(coordinator, identity.Name, session)
                .RunAsync(requestStream, responseStream, lifetime.ApplicationStopping, context.CancellationToken);
        }
        finally
        {
            await DisconnectAsync(grain, identity.Name, session);
        }
    }

    // Training goes on where this cannot be written.
    private async Task AuditAsync(ServerCallContext context, string worker)
    {
        try
        {
            var http = context.GetHttpContext();
            await audit.WriteJoinedAsync(Principal.Of(context), AccessGate.Peer(http), AccessRules.NameOf(http), worker);
        }
        catch (StorageException exception)
        {
            logger.Error("That worker {Worker:l} connected is not in the audit log: {Reason:l}", worker, exception.Message);
        }
    }

    private static async Task<Proto.Hello> ReadHelloAsync(IAsyncStreamReader<Proto.AgentMessage> requests, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(HelloPatience);
        try
        {
            if (!await requests.MoveNext(patience.Token))
                throw Refusal.Invalid("The stream ended without a Hello.");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.DeadlineExceeded, $"No Hello came within {HelloPatience.TotalSeconds} s."));
        }
        return requests.Current.KindCase == Proto.AgentMessage.KindOneofCase.Hello
            ? requests.Current.Hello
            : throw Refusal.Invalid($"The first message is {requests.Current.KindCase}; it has to be Hello.");
    }

    // In the version that the agent speaks, which may be older than this program's.
    private Proto.CoordinatorMessage Welcome(int version) => new()
    {
        Welcome = new Proto.Welcome
        {
            ProtocolVersion = version,
            Epoch = database.Epoch,
            HeartbeatMilliseconds = (int)options.HeartbeatInterval.TotalMilliseconds,
            LeaseMilliseconds = (int)options.Lease.TotalMilliseconds,
            StorageId = storage.Value,
        },
    };

    private async Task DisconnectAsync(IWorkerGrain grain, string name, long session)
    {
        try
        {
            await grain.Disconnect(session, CancellationToken.None);
            await scheduler.PokeAsync(name, CancellationToken.None);
        }
        catch (Exception exception)
        {
            // Its lease runs out anyhow.
            logger.Debug(exception, "The end of worker {Worker:l}'s stream could not be told", name);
        }
    }
}
