using Grpc.Core;
using Linformer.Coordinator.Services.Mapping;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services;

/// <summary>The workers, for people.</summary>
internal sealed class WorkersService(ClusterReader cluster) : Proto.Workers.WorkersBase
{
    public override async Task<Proto.ListWorkersResponse> List(Proto.ListWorkersRequest request, ServerCallContext context)
    {
        var workers = await cluster.WorkersAsync(context.CancellationToken);
        return new Proto.ListWorkersResponse { Workers = { workers.Select(ClusterMapping.ToProto) } };
    }
}

/// <summary>The corpora, for people.</summary>
internal sealed class CorporaService(ClusterReader cluster) : Proto.Corpora.CorporaBase
{
    public override async Task<Proto.ListCorporaResponse> List(Proto.ListCorporaRequest request, ServerCallContext context)
    {
        var corpora = await cluster.CorporaAsync(context.CancellationToken);
        return new Proto.ListCorporaResponse { Corpora = { corpora.Select(ClusterMapping.ToProto) } };
    }
}
