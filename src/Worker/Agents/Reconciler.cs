using System.Collections.Immutable;

namespace Linformer.Worker.Agents;

/// <summary>What a member is known by.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Member">Its number within the job, never used again.</param>
public readonly record struct MemberKey(string JobId, int Member)
{
    /// <summary>For logs.</summary>
    public override string ToString() => $"{JobId} m{Member}";
}

/// <summary>A member that the coordinator wants.</summary>
/// <param name="Key">Which.</param>
/// <param name="Slot">The slot that it occupies.</param>
/// <param name="Generation">The newest generation of its job, which it is to be told of; 0 for none yet.</param>
/// <param name="Stop">Whether it should finish its step, write a checkpoint and end.</param>
public sealed record WantedMember(MemberKey Key, int Slot, int Generation, bool Stop);

/// <summary>How far a member is, as far as starting and ending goes.</summary>
public enum MemberStage
{
    /// <summary>It starts, waits or trains.</summary>
    Running,

    /// <summary>It was asked to write a checkpoint and end.</summary>
    Stopping,

    /// <summary>It was killed, and its process has not gone.</summary>
    Dying,

    /// <summary>It has ended; only its report is left.</summary>
    Ended,
}

/// <summary>A member that the agent has.</summary>
/// <param name="Key">Which.</param>
/// <param name="Slot">The slot that it occupies.</param>
/// <param name="Generation">The newest generation that it was told of; 0 for none.</param>
/// <param name="Stage">How far it is.</param>
public sealed record HeldMember(MemberKey Key, int Slot, int Generation, MemberStage Stage);

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

/// <summary>A member to start.</summary>
/// <param name="Key">Which.</param>
/// <param name="After">Members whose processes must have gone first.</param>
public sealed record MemberStart(MemberKey Key, ImmutableArray<MemberKey> After);

/// <summary>Whether an agent is here to stay.</summary>
public enum AgentMode
{
    /// <summary>It does what it is assigned.</summary>
    Working,

    /// <summary>It leaves: it starts nothing, drops its leases, and waits for its members to be moved away.</summary>
    Draining,

    /// <summary>It leaves, and nobody moves its members away: they stop with a checkpoint.</summary>
    Stopping,
}

/// <summary>What leads from what an agent does to what it should do. It is done in this order.</summary>
public sealed record Reconciliation
{
    /// <summary>Ended members whose report is no longer wanted.</summary>
    public ImmutableArray<MemberKey> Forget { get; init; } = [];

    /// <summary>Members to kill.</summary>
    public ImmutableArray<MemberKey> Kill { get; init; } = [];

    /// <summary>Members to start.</summary>
    public ImmutableArray<MemberStart> Start { get; init; } = [];

    /// <summary>Members that need not start since they would be stopped at once: they count as stopped.</summary>
    public ImmutableArray<MemberKey> Skip { get; init; } = [];

    /// <summary>Members that have ended before and are not started again: they count as failed.</summary>
    public ImmutableArray<MemberKey> Refuse { get; init; } = [];

    /// <summary>Members to tell of their job's newest generation.</summary>
    public ImmutableArray<MemberKey> Tell { get; init; } = [];

    /// <summary>Members to stop gracefully, after they were told.</summary>
    public ImmutableArray<MemberKey> Stop { get; init; } = [];

    /// <summary>Leases to start.</summary>
    public ImmutableArray<string> StartLeases { get; init; } = [];

    /// <summary>Leases to cancel.</summary>
    public ImmutableArray<string> CancelLeases { get; init; } = [];

    /// <summary>Ended leases whose report is no longer wanted.</summary>
    public ImmutableArray<string> ForgetLeases { get; init; } = [];

    /// <summary>Whether there is nothing to do.</summary>
    public bool IsEmpty =>
        Forget.IsEmpty && Kill.IsEmpty && Start.IsEmpty && Skip.IsEmpty && Refuse.IsEmpty && Tell.IsEmpty && Stop.IsEmpty
        && StartLeases.IsEmpty && CancelLeases.IsEmpty && ForgetLeases.IsEmpty;
}

/// <summary>Compares what an agent should be doing with what it does.</summary>
public static class Reconciler
{
    /// <summary>Finds what is to be done. Once it is done, the same question has nothing as its answer.</summary>
    /// <param name="wantedMembers">The members that should be there. Of two of the same key the first counts.</param>
    /// <param name="wantedLeases">The leases that should be there.</param>
    /// <param name="heldMembers">The members that are there.</param>
    /// <param name="heldLeases">The leases that are there.</param>
    /// <param name="endedBefore">Members that were forgotten: their numbers are not used again.</param>
    /// <param name="mode">Whether the agent is here to stay.</param>
    public static Reconciliation Reconcile(
        IReadOnlyCollection<WantedMember> wantedMembers,
        IReadOnlyCollection<string> wantedLeases,
        IReadOnlyCollection<HeldMember> heldMembers,
        IReadOnlyCollection<HeldLease> heldLeases,
        IReadOnlySet<MemberKey> endedBefore,
        AgentMode mode)
    {
        ArgumentNullException.ThrowIfNull(wantedMembers);
        ArgumentNullException.ThrowIfNull(wantedLeases);
        ArgumentNullException.ThrowIfNull(heldMembers);
        ArgumentNullException.ThrowIfNull(heldLeases);
        ArgumentNullException.ThrowIfNull(endedBefore);
        var wanted = wantedMembers.DistinctBy(member => member.Key).ToList();
        var wantedKeys = wanted.Select(member => member.Key).ToHashSet();
        var held = heldMembers.ToDictionary(member => member.Key);
        var leaving = heldMembers.Where(member => member.Stage == MemberStage.Dying || (member.Stage != MemberStage.Ended && !wantedKeys.Contains(member.Key))).ToList();
        var missing = wanted.Where(member => !held.ContainsKey(member.Key)).ToList();
        var starting = missing.Where(member => mode == AgentMode.Working && !member.Stop && !endedBefore.Contains(member.Key)).ToList();
        var alive = wanted.Where(member => held.TryGetValue(member.Key, out var own) && own.Stage is MemberStage.Running or MemberStage.Stopping).ToList();
        var leases = wantedLeases.ToHashSet(StringComparer.Ordinal);
        var working = mode == AgentMode.Working;
        return new Reconciliation
        {
            Forget = [.. heldMembers.Where(member => member.Stage == MemberStage.Ended && !wantedKeys.Contains(member.Key)).Select(member => member.Key)],
            Kill = [.. leaving.Where(member => member.Stage != MemberStage.Dying).Select(member => member.Key)],
            Start = [.. starting.Select(member => new MemberStart(member.Key, [.. leaving.Where(other => other.Slot == member.Slot).Select(other => other.Key)]))],
            Skip = [.. missing.Where(member => !endedBefore.Contains(member.Key)).Except(starting).Select(member => member.Key)],
            Refuse = [.. missing.Where(member => endedBefore.Contains(member.Key)).Select(member => member.Key)],
            Tell = [.. alive.Where(member => member.Generation > held[member.Key].Generation).Concat(starting.Where(member => member.Generation > 0)).Select(member => member.Key)],
            Stop = [.. alive.Where(member => (member.Stop || mode == AgentMode.Stopping) && held[member.Key].Stage == MemberStage.Running).Select(member => member.Key)],
            StartLeases = [.. leases.Where(lease => working && heldLeases.All(own => own.LeaseId != lease))],
            CancelLeases = [.. heldLeases.Where(own => own.Stage == LeaseStage.Working && (!working || !leases.Contains(own.LeaseId))).Select(own => own.LeaseId)],
            ForgetLeases = [.. heldLeases.Where(own => own.Stage == LeaseStage.Ended && (!working || !leases.Contains(own.LeaseId))).Select(own => own.LeaseId)],
        };
    }
}
