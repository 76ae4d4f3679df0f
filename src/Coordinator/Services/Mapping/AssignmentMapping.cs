using System.Collections.Immutable;
using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Workers;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Mapping;

/// <summary>What an agent should be doing, for the wire.</summary>
internal static class AssignmentMapping
{
    public static Proto.Assignment ToProto(this WorkerAssignment assignment, long epoch) => new()
    {
        Epoch = epoch,
        Revision = assignment.Revision,
        Groups = { assignment.Groups.Select(ToProto) },
        Leases = { assignment.Leases.Select(ToProto) },
    };

    private static Proto.RankGroup ToProto(AssignedGroup group) => new()
    {
        JobId = group.JobId,
        JobName = group.JobName,
        Members = { group.Members.Select(place => new Proto.MemberPlace { Member = place.Member, Slot = place.Slot }) },
        Plan = group.Plan is { } plan ? ToProto(plan, group.Lineages) : null,
        JobFile = group.JobJson,
        Threads = group.Threads,
        CorpusFolder = group.CorpusFolder,
        RunFolder = JobFolders.Run(group.JobId),
        ModelFolder = JobFolders.Model(group.JobId),
        Goal = group.Stop ? Proto.GroupGoal.Stop : Proto.GroupGoal.Train,
    };

    private static Proto.GenerationPlan ToProto(GenerationPlan plan, ImmutableArray<LineageChange> lineages) => new()
    {
        Lineage = plan.Lineage,
        Generation = plan.Generation,
        Members = { plan.Members },
        StateSource = plan.Source == StateSource.Survivors
            ? new Proto.StateSource { Survivors = true }
            // Without a checkpoint that is the same as fresh, also in the first generation.
            : new Proto.StateSource { NewestCheckpoint = true },
        CommittedStep = plan.CommittedBefore,
        AtOnce = plan.AtOnce,
        SkippedSteps = { LineageChange.SkippedBy(lineages).Distinct() },
        LineageLimits = { lineages.Select(change => change.KeptStep) },
        LineageOrigins = { lineages.Any(change => change.IsChosen) ? lineages.Select(change => change.Checkpoint) : [] },
    };

    private static Proto.CorpusLease ToProto(AssignedLease lease) => new()
    {
        LeaseId = lease.LeaseId,
        CorpusId = lease.CorpusId,
        Work = lease.Work switch
        {
            LeaseWork.Plan => Proto.CorpusWork.Plan,
            LeaseWork.Shards => Proto.CorpusWork.Shards,
            LeaseWork.Manifest => Proto.CorpusWork.Manifest,
            _ => Proto.CorpusWork.Unspecified,
        },
        CorpusSettings = lease.SettingsJson,
        Fingerprint = lease.Fingerprint,
        Folder = lease.Folder,
        FirstShard = lease.FirstShard,
        ShardCount = lease.ShardCount,
    };
}
