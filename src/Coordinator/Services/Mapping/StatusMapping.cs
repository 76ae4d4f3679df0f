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
    private const int MaxMembers = 4 * WireLimits.MaxSlots;
    private const int MaxLogLines = 20;
    private const int MaxReason = 4096;
    private const int MaxSummary = 64 << 10;
    private const int MaxId = 256;
    private const int MaxTemperature = 1000;
    private const int MaxProcessors = 1 << 16;

    /// <summary>The status for the worker's grain.</summary>
    /// <param name="status">What came.</param>
    /// <param name="worker">The agent's name.</param>
    /// <exception cref="Grpc.Core.RpcException">There is more in it than a worker can have.</exception>
    public static WorkerStatus ToStatus(this Proto.Status status, string worker)
    {
        CheckCount("groups", status.Groups.Count, MaxGroups);
        CheckCount("leases", status.Leases.Count, MaxGroups);
        CheckCount("readings of GPUs", status.GpuReadings.Count, WireLimits.MaxSlots);
        return new WorkerStatus
        {
            Groups = [.. status.Groups.Select(group => ToGroup(group, worker))],
            Leases = [.. status.Leases.Select(ToLease)],
            Draining = status.Draining,
            AssignmentRevision = status.AssignmentRevision,
            LostMetricPoints = Math.Max(0, status.LostMetricPoints),
            LostLogLines = Math.Max(0, status.LostLogLines),
            GpuReadings = [.. status.GpuReadings.Where(reading => reading.Key is >= 0 and < WireLimits.MaxSlots).Select(reading => ToReading(reading.Key, reading.Value))],
            Unfit = Cut(status.Unfit, MaxReason),
            Load = status.Load is { } load && double.IsFinite(load.ProcessorPercent) ? ToLoad(load) : null,
        };
    }

    private static WorkerLoad ToLoad(Proto.MachineLoad load)
    {
        var memory = Math.Max(0, load.MemoryBytes);
        return new WorkerLoad(
            Math.Clamp(load.ProcessorPercent, 0, 100),
            Math.Clamp(load.Processors, 0, MaxProcessors),
            Math.Clamp(load.UsedMemoryBytes, 0, memory),
            memory,
            Math.Max(0, load.FreeStorageBytes));
    }

    private static WorkerGpuReading ToReading(int slot, Proto.GpuReading reading) => new(
        slot, Math.Max(0, reading.UsedMemoryBytes), Math.Clamp(reading.Temperature, 0, MaxTemperature), Math.Clamp(reading.Utilization, 0, 100));

    private static ReportedGroup ToGroup(Proto.GroupStatus group, string worker)
    {
        CheckCount("members of a job", group.Members.Count, MaxMembers);
        return new ReportedGroup(Cut(group.JobId, MaxId), [.. group.Members.Select(member => ToMember(member, worker))]);
    }

    private static ReportedMember ToMember(Proto.MemberStatus member, string worker) => new()
    {
        Member = member.Member,
        Condition = Condition(member),
        ProcessId = member.ProcessId,
        Lineage = member.Lineage,
        Generation = member.Generation,
        AppliedStep = member.AppliedStep,
        HoldsState = member.HoldsState,
        Failure = member.Failure is { } failure ? ToFailure(failure, member, worker) : null,
        Summary = member.Summary.Length == 0 ? null : Cut(member.Summary, MaxSummary),
        Broken = Cut(member.Why, MaxReason),
        StepMilliseconds = double.IsFinite(member.StepMilliseconds) ? Math.Max(0, member.StepMilliseconds) : 0,
        BadLoss = member.BadLoss is { Step: > 0 } bad ? new BadLossReport(bad.Step, Cut(bad.Reason, MaxReason)) : null,
    };

    private static MemberCondition Condition(Proto.MemberStatus member) => (member.Phase, member.Outcome) switch
    {
        (Proto.MemberPhase.Ended, Proto.MemberOutcome.Finished) => MemberCondition.Finished,
        (Proto.MemberPhase.Ended, Proto.MemberOutcome.Stopped) => MemberCondition.Stopped,
        (Proto.MemberPhase.Ended, _) => MemberCondition.Failed,
        (Proto.MemberPhase.Waiting, _) => MemberCondition.Waiting,
        (Proto.MemberPhase.Joining, _) => MemberCondition.Joining,
        (Proto.MemberPhase.Training, _) => MemberCondition.Training,
        (Proto.MemberPhase.Stopping, _) => MemberCondition.Stopping,
        _ => MemberCondition.Starting,
    };

    private static FailedRank ToFailure(Proto.RankFailure failure, Proto.MemberStatus member, string worker) => new(
        member.Generation,
        failure.Rank,
        worker,
        failure.ExitCode,
        Cut(failure.Signal, 32),
        Cut(failure.Reason, MaxReason),
        [.. failure.LastLogLines.TakeLast(MaxLogLines).Select(line => Cut(line, WireLimits.MaxLogLine))],
        failure.Permanent,
        failure.PeerLost,
        member.Member,
        failure.Step);

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
