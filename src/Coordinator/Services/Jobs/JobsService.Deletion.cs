using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Storage;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Jobs;

/// <summary>The call that deletes a job.</summary>
internal sealed partial class JobsService
{
    public override async Task<Proto.DeleteJobResponse> Delete(Proto.DeleteJobRequest request, ServerCallContext context)
    {
        var caller = Principal.Of(context);
        Refusal.CheckText("why", request.Why, MaxText);
        Refusal.CheckText("who", request.Who, MaxName);
        var jobId = await reader.ResolveAsync(request.Job, context.CancellationToken);
        var view = await reader.ViewAsync(jobId, context.CancellationToken);
        caller.RequireOwner($"Job {jobId}", view.Submitter);
        var bytes = await deletions.DeleteAsync(
            new BegunDeletion(jobId, request.KeepModel, caller.PersonName(request.Who), TokenText.Mask(request.Why)), context.CancellationToken);
        return new Proto.DeleteJobResponse { JobId = jobId, Bytes = bytes };
    }
}
