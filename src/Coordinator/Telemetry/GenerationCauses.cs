using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Telemetry;

/// <summary>Why a generation was started, as one of a few words.</summary>
internal static class GenerationCauses
{
    /// <summary>The cause of the generation that a change of a job's state has started.</summary>
    /// <param name="before">The job before.</param>
    /// <param name="after">The job with its new generation.</param>
    public static string Of(JobView before, JobView after)
    {
        if (before.Generation == 0)
            return "start";
        if (before.Plan is not { } old || after.Plan is not { } plan)
            return before.Phase == JobPhase.Running && before.Reason.StartsWith("goes back", StringComparison.Ordinal) ? "go-back" : "restart";
        var isLost = old.Members.Any(member => !plan.Members.Contains(member));
        if (isLost)
            return after.LastFailure?.Generation == before.Generation ? "loss" : "handover";
        return plan.Members.Length > old.Members.Length ? "growth" : "break";
    }
}
