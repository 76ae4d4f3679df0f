using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Workers;
using Linformer.Protocol.Wire;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Mapping;

/// <summary>What an agent says it is doing, from the wire. Texts are cut to bounds, since the coordinator keeps them.</summary>
internal static class StatusMapping
{
    private const int MaxGroups = 4096;
    private const int MaxLogLines = 20;
    private const int MaxReason = 4096;
    private const int MaxSummary = 64 << 10;
    private const int MaxId = 256;

    /// <summary>The status for the worker's grain.</summary>
    /// <param name="status">What came.</param>
    /// <param name="worker">The agent's name.</param>
    /// <exception cref="Grpc.Core.RpcException">There is more in it than a worker can have.</exception>
    public static WorkerStatus ToStatus(this Proto.Status status, string worker)
    {
        CheckCount("groups", status.Groups.Count, MaxGroups);
        CheckCount("leases", status.Leases.Count, MaxGroups);
        return new WorkerStatus
        {
            Groups = [.. status.Groups.Select(group => ToGroup(group, worker))],
            Leases = [.. status.Leases.Select(ToLease)],
            Draining = status.Draining,
            AssignmentRevision = status.AssignmentRevision,
            LostMetricPoints = Math.Max(0, status.LostMetricPoints),
            LostLogLines = Math.Max(0, status.LostLogLines),
        };
    }

    private static ReportedGroup ToGroup(Proto.GroupStatus group, string worker)
    {
        CheckCount("ranks of a group", group.Ranks.Count, WireLimits.MaxSlots);
        CheckCount("failures of a group", group.Failures.Count, WireLimits.MaxSlots);
        return new ReportedGroup
        {
            JobId = Cut(group.JobId, MaxId),
            Lineage = group.Lineage,
            Generation = group.Generation,
            Condition = Condition(group),
            Phase = group.Phase switch
            {
                Proto.GroupPhase.Running => "running",
                Proto.GroupPhase.Stopping => "stopping",
                Proto.GroupPhase.Ended => "ended",
                _ => "starting",
            },
            Ranks = [.. group.Ranks.Select(rank => new ReportedRank(rank.Rank, rank.ProcessId, rank.AppliedStep, rank.HoldsState))],
            Failures = [.. group.Failures.Select(failure => ToFailure(failure, group.Generation, worker))],
            Summary = group.Summary.Length == 0 ? null : Cut(group.Summary, MaxSummary),
        };
    }

    private static GroupCondition Condition(Proto.GroupStatus group) => (group.Phase, group.Outcome) switch
    {
        (Proto.GroupPhase.Ended, Proto.GroupOutcome.Finished) => GroupCondition.Finished,
        (Proto.GroupPhase.Ended, Proto.GroupOutcome.Stopped) => GroupCondition.Stopped,
        (Proto.GroupPhase.Ended, _) => GroupCondition.Failed,
        _ => GroupCondition.Alive,
    };

    private static FailedRank ToFailure(Proto.RankFailure failure, int generation, string worker) => new(
        generation,
        failure.Rank,
        worker,
        failure.ExitCode,
        Cut(failure.Signal, 32),
        Cut(failure.Reason, MaxReason),
        [.. failure.LastLogLines.TakeLast(MaxLogLines).Select(line => Cut(line, WireLimits.MaxLogLine))],
        failure.Permanent,
        failure.PeerLost);

    private static ReportedLease ToLease(Proto.LeaseStatus lease) => new()
    {
        LeaseId = Cut(lease.LeaseId, MaxId),
        CorpusId = Cut(lease.CorpusId, MaxId),
        Condition = lease.Phase switch
        {
            Proto.LeasePhase.Done => LeaseCondition.Done,
            Proto.LeasePhase.Failed => LeaseCondition.Failed,
            _ => LeaseCondition.Working,
        },
        Progress = lease.Progress is { } progress
            ? new PreparationStand(Cut(progress.Phase, MaxId), progress.Done, progress.Total, Cut(progress.Unit, MaxId))
            : null,
        Error = Cut(lease.Error, MaxReason),
        Permanent = lease.Permanent,
        Plan = lease.Plan is { } plan
            ? new PlannedCorpus(Cut(plan.Fingerprint, MaxId), Cut(plan.Folder, MaxReason), plan.Shards, plan.VocabularySize, ToTotals(plan.Existing))
            : null,
        Totals = ToTotals(lease.Manifest),
    };

    private static CorpusTotals? ToTotals(Proto.ManifestResult? result) =>
        result is null ? null : new CorpusTotals(result.Documents, result.Tokens, result.VocabularySize, result.Shards);

    private static string Cut(string text, int maximum) => text.Length <= maximum ? text : text[..maximum];

    private static void CheckCount(string what, int count, int maximum)
    {
        if (count > maximum)
            throw Refusal.Invalid($"The status has {count:#,0} {what}; at most {maximum:#,0} are allowed.");
    }
}
