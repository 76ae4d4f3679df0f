using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Services.Previews;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Workers;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services;

/// <summary>The workers, for people.</summary>
internal sealed class WorkersService(ClusterReader cluster, IGrainFactory grains, SchedulerPoker scheduler, IEventLog events, TimeProvider time) : Proto.Workers.WorkersBase
{
    private const int MaxText = 1024;
    private const int MaxName = 128;

    public override async Task<Proto.ListWorkersResponse> List(Proto.ListWorkersRequest request, ServerCallContext context)
    {
        var workers = await cluster.WorkersAsync(context.CancellationToken);
        return new Proto.ListWorkersResponse { Workers = { workers.Select(ClusterMapping.ToProto) } };
    }

    public override async Task<Proto.Worker> Drain(Proto.DrainWorkerRequest request, ServerCallContext context)
    {
        Refusal.CheckText("why", request.Why, MaxText);
        Refusal.CheckText("who", request.Who, MaxName);
        var known = await cluster.WorkersAsync(context.CancellationToken);
        if (known.All(worker => worker.Identity.Name != request.Worker))
            throw Unknown(request.Worker, known);
        var who = Principal.Of(context).PersonName(request.Who);
        var drained = request.Undo ? "" : request.Why.Length > 0 ? $"{who}: {TokenText.Mask(request.Why)}" : who;
        var worker = await grains.GetGrain<IWorkerGrain>(request.Worker).Drain(drained, CancellationToken.None) ?? throw Unknown(request.Worker, known);
        if (known.Any(before => before.Identity.Name == request.Worker && before.Drained != drained))
        {
            events.Note(new EventRow
            {
                At = time.GetUtcNow(),
                Kind = EventKind.Worker,
                Subject = request.Worker,
                Name = request.Worker,
                Who = who,
                What = request.Undo ? "not drained any more" : "drained",
                Why = TokenText.Mask(request.Why),
            });
        }
        await scheduler.PokeAsync(CancellationToken.None);
        return worker.ToProto();
    }

    private static RpcException Unknown(string name, IReadOnlyCollection<WorkerView> known)
    {
        const int Shown = 20;
        var names = string.Join(", ", known.Take(Shown).Select(worker => worker.Identity.Name));
        var there = known.Count == 0 ? "there are none" : $"there {(known.Count == 1 ? "is" : "are")} {names}{(known.Count > Shown ? ", …" : "")}";
        return Refusal.NotFound($"There is no worker {Refusal.Show(name)}; {there}.");
    }
}

/// <summary>The corpora, for people.</summary>
internal sealed class CorporaService(ClusterReader cluster, CorpusPreviews previews) : Proto.Corpora.CorporaBase
{
    public override async Task<Proto.ListCorporaResponse> List(Proto.ListCorporaRequest request, ServerCallContext context)
    {
        var corpora = await cluster.CorporaAsync(context.CancellationToken);
        return new Proto.ListCorporaResponse { Corpora = { corpora.Select(ClusterMapping.ToProto) } };
    }

    public override Task<Proto.PreviewResponse> Preview(Proto.PreviewRequest request, ServerCallContext context) =>
        previews.ReadAsync(request, context.CancellationToken);
}
