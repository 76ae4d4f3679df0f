using Grpc.Core;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Jobs;

/// <summary>The calls that charts and pages are drawn from.</summary>
internal sealed partial class JobsService
{
    public override Task<Proto.MetricRangeResponse> MetricRange(Proto.MetricRangeRequest request, ServerCallContext context) =>
        charts.MetricRangeAsync(request, context.CancellationToken);

    public override Task<Proto.RankSamplesResponse> RankSamples(Proto.RankSamplesRequest request, ServerCallContext context) =>
        charts.RankSamplesAsync(request, context.CancellationToken);

    public override Task<Proto.LogPageResponse> LogPage(Proto.LogPageRequest request, ServerCallContext context) =>
        charts.LogPageAsync(request, context.CancellationToken);
}
