using System.Collections.Immutable;

namespace Linformer.Coordinator.Corpora;

/// <summary>
/// How long each lease has made no progress, by what workers report at one look after the other. It is not stored: after a restart
/// every lease has its time anew.
/// </summary>
/// <param name="Patience">After so long without progress a lease is stuck.</param>
public sealed record LeaseWatch(TimeSpan Patience)
{
    /// <summary>The most that counts as passed between two looks: one who stood still has not seen what was reported meanwhile.</summary>
    public static readonly TimeSpan LongestLook = TimeSpan.FromSeconds(10);

    private TimeSpan _lookedAt;
    private ImmutableDictionary<string, (PreparationStand? Stand, TimeSpan Idle)> _leases =
        ImmutableDictionary.Create<string, (PreparationStand? Stand, TimeSpan Idle)>(StringComparer.Ordinal);

    /// <summary>Looks at the leases that are out.</summary>
    /// <param name="state">The corpus.</param>
    /// <param name="workers">All workers that are not lost, with what they report.</param>
    /// <param name="now">The time, by a clock that nobody puts forward or back.</param>
    public LeaseWatch Look(CorpusState state, ImmutableArray<LeaseTaker> workers, TimeSpan now)
    {
        var passed = now - _lookedAt < LongestLook ? now - _lookedAt : LongestLook;
        var leases = state.Leases.ToImmutableDictionary(
            granted => granted.Lease.LeaseId,
            granted =>
            {
                // One that is not heard of for a moment has not gone back to its beginning.
                var known = _leases.TryGetValue(granted.Lease.LeaseId, out var before);
                var stand = Stand(granted.Lease, workers) ?? before.Stand;
                return (stand, known && stand == before.Stand ? before.Idle + passed : TimeSpan.Zero);
            },
            StringComparer.Ordinal);
        return this with { _lookedAt = now, _leases = leases };
    }

    /// <summary>Whether a lease has made no progress for too long.</summary>
    /// <param name="leaseId">Which.</param>
    public bool IsStuck(string leaseId) => _leases.TryGetValue(leaseId, out var lease) && lease.Idle >= Patience;

    private static PreparationStand? Stand(AssignedLease lease, ImmutableArray<LeaseTaker> workers) => workers
        .FirstOrDefault(worker => worker.Worker == lease.Worker)?.Leases
        .FirstOrDefault(report => report.LeaseId == lease.LeaseId)?.Progress;
}
