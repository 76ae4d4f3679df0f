using System.Reflection;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Rest;
using Linformer.Coordinator.Scheduling;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Workers;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services;

/// <summary>The cluster as a whole, for people.</summary>
internal sealed class ClusterService(
    ClusterReader cluster, IClusterStore store, IEventStore events, CoordinatorDatabase database, ClusterTiming timing, CoordinatorOptions options, TimeProvider time) : Proto.Cluster.ClusterBase
{
    private const int DefaultPage = 100;
    private const int LargestPage = 1000;
    private const int MaxText = 256;

    /// <summary>This program's version.</summary>
    public static string Version { get; } =
        typeof(ClusterService).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";

    public override async Task<Proto.ClusterSummary> Summary(Proto.SummaryRequest request, ServerCallContext context)
    {
        var workers = await cluster.WorkersAsync(context.CancellationToken);
        var totals = await store.TotalsAsync(context.CancellationToken);
        var alive = workers.Where(worker => worker.Alive).ToList();
        return new Proto.ClusterSummary
        {
            Version = Version,
            Epoch = database.Epoch,
            StartedAt = timing.StartedAt.ToTimestamp(),
            Authentication = Authenticates(context),
            Workers = alive.Count,
            LostWorkers = workers.Count - alive.Count,
            Slots = alive.Sum(worker => worker.Identity.Slots.Length),
            FreeSlots = alive.Sum(FreeSlots),
            Gpus = alive.Sum(worker => worker.Identity.Slots.Count(slot => slot.Device == "cuda")),
            Jobs = { totals.Jobs.OrderBy(pair => pair.Key).Select(pair => new Proto.JobCount { State = pair.Key.ToProto(), Count = pair.Value }) },
            TokensPerSecond = totals.TokensPerSecond,
            Now = time.GetUtcNow().ToTimestamp(),
        };
    }

    public override async Task<Proto.EventsResponse> Events(Proto.EventsRequest request, ServerCallContext context)
    {
        if (request.PageSize is < 0 or > LargestPage)
            throw Refusal.Invalid($"page_size is {request.PageSize}; 1 to {LargestPage:#,0} are allowed, and 0 for {DefaultPage}.");
        if (request.After < 0 || request.Before < 0)
            throw Refusal.Invalid($"after is {request.After}, before {request.Before}; 0 or more are allowed.");
        if (request is { Newest: true, After: > 0 } or { Newest: false, Before: > 0 })
            throw Refusal.Invalid($"after is {request.After}, before {request.Before}, newest {(request.Newest ? "set" : "not set")}; before goes with newest, after without.");
        Refusal.CheckText("subject", request.Subject, MaxText);
        Refusal.CheckText("contains", request.Contains, MaxText);
        var query = new EventQuery(
            request.After, request.Before, request.Newest, request.PageSize == 0 ? DefaultPage : request.PageSize,
            [.. request.Kinds.Distinct().Select(EventMapping.ToKind)], request.Subject, request.Contains);
        var page = await events.ReadAsync(query, context.CancellationToken);
        return new Proto.EventsResponse { Events = { page.Events.Select(EventMapping.ToProto) }, More = page.More, LookedTo = page.LookedTo };
    }

    // What this program asks itself goes to whoever watches, by whichever listener.
    private bool Authenticates(ServerCallContext context) => context is OwnCallContext
        ? options.Authentication switch
        {
            AuthenticationMode.Always => true,
            AuthenticationMode.FromNetwork => options.Listen.Concat(options.HttpListen).Any(address => !ListenAddress.Parse(address).IsLoopback),
            _ => false,
        }
        : Principal.Of(context).Kind != PrincipalKind.Open;

    // Those of a worker that takes nothing new are nobody's.
    private static int FreeSlots(WorkerView worker)
    {
        if (!worker.TakesNew)
            return 0;
        var taken = worker.Assignment.Groups.SelectMany(group => group.Members).Select(place => place.Slot).ToHashSet();
        return worker.Identity.Slots.Count(slot => !taken.Contains(slot.Number));
    }
}
