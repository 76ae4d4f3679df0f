using System.Collections.Immutable;

namespace Linformer.Worker.Agents;

/// <summary>What a rank group is known by.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Lineage">The lineage.</param>
/// <param name="Generation">The generation.</param>
public readonly record struct GroupKey(string JobId, int Lineage, int Generation)
{
    /// <summary>For logs.</summary>
    public override string ToString() => $"{JobId} l{Lineage} g{Generation}";
}

/// <summary>A rank group that the coordinator wants.</summary>
/// <param name="Key">Which.</param>
/// <param name="Stop">Whether it should finish its step, write a checkpoint and end.</param>
/// <param name="Slots">The slots that its ranks occupy.</param>
public sealed record WantedGroup(GroupKey Key, bool Stop, ImmutableArray<int> Slots);

/// <summary>How far a rank group is.</summary>
public enum GroupStage
{
    /// <summary>It starts or trains.</summary>
    Running,

    /// <summary>It was asked to write a checkpoint and end.</summary>
    Stopping,

    /// <summary>It was killed, and its processes have not all gone.</summary>
    Dying,

    /// <summary>It has ended; only its report is left.</summary>
    Ended,
}

/// <summary>A rank group that the agent has.</summary>
/// <param name="Key">Which.</param>
/// <param name="Stage">How far it is.</param>
/// <param name="Slots">The slots that its ranks occupy.</param>
public sealed record HeldGroup(GroupKey Key, GroupStage Stage, ImmutableArray<int> Slots);

/// <summary>How far a lease is.</summary>
public enum LeaseStage
{
    /// <summary>It is being worked on.</summary>
    Working,

    /// <summary>It was cancelled and is about to end.</summary>
    Cancelled,

    /// <summary>It has ended; only its report is left.</summary>
    Ended,
}

/// <summary>A lease that the agent has.</summary>
/// <param name="LeaseId">Which.</param>
/// <param name="Stage">How far it is.</param>
public sealed record HeldLease(string LeaseId, LeaseStage Stage);

/// <summary>A rank group to start.</summary>
/// <param name="Key">Which.</param>
/// <param name="After">Groups whose processes must have gone first.</param>
public sealed record GroupStart(GroupKey Key, ImmutableArray<GroupKey> After);

/// <summary>What leads from what an agent does to what it should do.</summary>
public sealed record Reconciliation
{
    /// <summary>Groups to start.</summary>
    public ImmutableArray<GroupStart> Start { get; init; } = [];

    /// <summary>Groups that need not start since they would be stopped at once: they count as stopped.</summary>
    public ImmutableArray<GroupKey> Skip { get; init; } = [];

    /// <summary>Groups to stop gracefully.</summary>
    public ImmutableArray<GroupKey> Stop { get; init; } = [];

    /// <summary>Groups to kill.</summary>
    public ImmutableArray<GroupKey> Kill { get; init; } = [];

    /// <summary>Ended groups whose report is no longer wanted.</summary>
    public ImmutableArray<GroupKey> Forget { get; init; } = [];

    /// <summary>Leases to start.</summary>
    public ImmutableArray<string> StartLeases { get; init; } = [];

    /// <summary>Leases to cancel.</summary>
    public ImmutableArray<string> CancelLeases { get; init; } = [];

    /// <summary>Ended leases whose report is no longer wanted.</summary>
    public ImmutableArray<string> ForgetLeases { get; init; } = [];

    /// <summary>Whether there is nothing to do.</summary>
    public bool IsEmpty =>
        Start.IsEmpty && Skip.IsEmpty && Stop.IsEmpty && Kill.IsEmpty && Forget.IsEmpty
        && StartLeases.IsEmpty && CancelLeases.IsEmpty && ForgetLeases.IsEmpty;
}

/// <summary>Compares what an agent should be doing with what it does.</summary>
public static class Reconciler
{
    /// <summary>Finds what is to be done. Once it is done, the same question has nothing as its answer.</summary>
    /// <param name="wantedGroups">The groups that should be there. Of two of the same key the first counts.</param>
    /// <param name="wantedLeases">The leases that should be there.</param>
    /// <param name="heldGroups">The groups that are there.</param>
    /// <param name="heldLeases">The leases that are there.</param>
    /// <param name="draining">Whether the agent leaves: it starts nothing, stops its ranks and drops its leases.</param>
    public static Reconciliation Reconcile(
        IReadOnlyCollection<WantedGroup> wantedGroups,
        IReadOnlyCollection<string> wantedLeases,
        IReadOnlyCollection<HeldGroup> heldGroups,
        IReadOnlyCollection<HeldLease> heldLeases,
        bool draining)
    {
        ArgumentNullException.ThrowIfNull(wantedGroups);
        ArgumentNullException.ThrowIfNull(wantedLeases);
        ArgumentNullException.ThrowIfNull(heldGroups);
        ArgumentNullException.ThrowIfNull(heldLeases);
        var wanted = wantedGroups.DistinctBy(group => group.Key).ToList();
        var wantedKeys = wanted.Select(group => group.Key).ToHashSet();
        var held = heldGroups.ToDictionary(group => group.Key);
        var leaving = heldGroups.Where(group => group.Stage == GroupStage.Dying || (group.Stage != GroupStage.Ended && !wantedKeys.Contains(group.Key))).ToList();
        var missing = wanted.Where(group => !held.ContainsKey(group.Key)).ToLookup(group => group.Stop || draining);
        var leases = wantedLeases.ToHashSet(StringComparer.Ordinal);
        return new Reconciliation
        {
            Start = [.. missing[false].Select(group => new GroupStart(group.Key, [.. leaving.Where(other => IsInTheWay(other, group)).Select(other => other.Key)]))],
            Skip = [.. missing[true].Select(group => group.Key)],
            Stop = [.. wanted.Where(group => (group.Stop || draining) && held.TryGetValue(group.Key, out var own) && own.Stage == GroupStage.Running).Select(group => group.Key)],
            Kill = [.. leaving.Where(group => group.Stage != GroupStage.Dying).Select(group => group.Key)],
            Forget = [.. heldGroups.Where(group => group.Stage == GroupStage.Ended && !wantedKeys.Contains(group.Key)).Select(group => group.Key)],
            StartLeases = [.. leases.Where(lease => !draining && heldLeases.All(own => own.LeaseId != lease))],
            CancelLeases = [.. heldLeases.Where(own => own.Stage == LeaseStage.Working && (draining || !leases.Contains(own.LeaseId))).Select(own => own.LeaseId)],
            ForgetLeases = [.. heldLeases.Where(own => own.Stage == LeaseStage.Ended && (draining || !leases.Contains(own.LeaseId))).Select(own => own.LeaseId)],
        };
    }

    // Two generations of one job write to the same folder; and a slot has room for one rank.
    private static bool IsInTheWay(HeldGroup held, WantedGroup wanted) =>
        held.Key.JobId == wanted.Key.JobId || held.Slots.Intersect(wanted.Slots).Any();
}
