using Grpc.Core;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Jobs;

/// <summary>Job files that are only looked at.</summary>
internal sealed partial class JobsService
{
    public override Task<Proto.CheckJobResponse> Check(Proto.CheckJobRequest request, ServerCallContext context) =>
        checks.CheckAsync(request, context.CancellationToken);
}
