using Linformer.Protocol.V1;

namespace Linformer.Coordinator.Access;

/// <summary>What a call was to change, and who its request says it is from.</summary>
internal static class AuditTarget
{
    /// <summary>Reads it from the messages, which hold no secret there; a token's id is left out if it is none.</summary>
    /// <param name="request">The request; null for a stream of them.</param>
    /// <param name="response">The response; null if there is none.</param>
    public static (string Target, string Given) Of(object? request, object? response) => request switch
    {
        SubmitRequest submit => (Submitted(submit, response), submit.Submitter),
        ChangeRequest change => (response is Job job ? job.Id : change.Job, change.Who),
        GoBackRequest back => ($"{(response is Job job ? job.Id : back.Job)} to {back.Checkpoint}", back.Who),
        DeleteJobRequest delete => ((response is DeleteJobResponse deleted ? deleted.JobId : delete.Job) + (delete.KeepModel ? " (its model stays)" : ""), delete.Who),
        DrainWorkerRequest drain => (drain.Undo ? drain.Worker + " (undo)" : drain.Worker, drain.Who),
        CreateTokenRequest create => (
            response is CreateTokenResponse { Token: var token } ? $"{token.Id} of {token.User}, {RoleNames.Of(token.Role)}" : $"{create.User}, {RoleNames.Of(create.Role)}", ""),
        RevokeTokenRequest revoke => (TokenText.IsId(revoke.Id) ? revoke.Id : "", ""),
        _ => ("", ""),
    };

    private static string Submitted(SubmitRequest request, object? response) => response switch
    {
        _ when request.DryRun => "(checked only)",
        SubmitResponse { Existed: true, Job: var job } => job.Id + " (sent again)",
        SubmitResponse { Job: var job } => job.Id,
        _ => request.Source,
    };
}
