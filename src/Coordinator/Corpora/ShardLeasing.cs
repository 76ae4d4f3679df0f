using System.Collections.Immutable;

namespace Linformer.Coordinator.Corpora;

/// <summary>
/// All rules of a corpus's preparation, as pure functions: a round plans, makes shards under leases, and writes the manifest. Each
/// returns the state afterwards, or the very state that it was given when nothing changes.
/// </summary>
public static class ShardLeasing
{
    /// <summary>A round fails when the same work has failed so often.</summary>
    public const int Tries = 4;

    /// <summary>The most shards in a lease: what is lost with a worker.</summary>
    public const int MostShards = 8;

    private const int KeptAsks = 200;

    /// <summary>How long work waits after its first, second and third failure: what storage suffers from is often over soon.</summary>
    private static readonly ImmutableArray<TimeSpan> Delays = [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30)];

    private static readonly ImmutableArray<WaitingWork> OneThing = [new(0, 0, 0, "")];

    /// <summary>Somebody needs the corpus; see <see cref="ICorpusGrain.Ensure"/>.</summary>
    public static CorpusState Ensure(CorpusState state, string corpusId, string asker, string settingsJson, DateTimeOffset now)
    {
        if (state.Asks.Any(ask => ask.Asker == asker))
            return state;
        var known = state with { CorpusId = corpusId, SettingsJson = settingsJson, UpdatedAt = now };
        var untouched = known.Stage == CorpusStage.Planning && known.Leases.IsEmpty && known.Waiting.All(work => work.Failures == 0);
        var round = known.UnderWay && untouched ? known.Round : known.Round + 1;
        known = known with { Asks = [.. known.Asks.TakeLast(KeptAsks - 1), new CorpusAsk(asker, round)] };
        return known.UnderWay ? known : Begin(known);
    }

    /// <summary>
    /// Takes what workers report, takes back the leases of lost ones and those that are stuck, goes on to the next stage, and hands out
    /// what waits. To be stuck counts as a failure; what comes of such a lease later is of no interest.
    /// </summary>
    /// <param name="state">The state before.</param>
    /// <param name="workers">All workers that are not lost.</param>
    /// <param name="now">The time.</param>
    /// <param name="watch">Knows which leases are stuck; null for none.</param>
    public static CorpusState Advance(CorpusState state, ImmutableArray<LeaseTaker> workers, DateTimeOffset now, LeaseWatch? watch = null)
    {
        if (!state.UnderWay)
            return state;
        var next = state;
        foreach (var granted in state.Leases)
            next = Take(next, granted, workers.FirstOrDefault(worker => worker.Worker == granted.Lease.Worker), now, watch);
        next = NextRound(NextStage(next));
        next = Grant(next, workers, now);
        return ReferenceEquals(next, state) ? state : next with { UpdatedAt = now };
    }

    /// <summary>How it stands, for those who ask; null before anybody has asked for it.</summary>
    public static CorpusView? View(CorpusState state, PreparationStand? progress)
    {
        if (state.Round == 0)
            return null;
        var open = state.Waiting.Sum(work => work.ShardCount) + state.Leases.Sum(granted => granted.Lease.ShardCount);
        return new CorpusView
        {
            CorpusId = state.CorpusId,
            Stage = state.Stage,
            Round = state.Round,
            SettingsJson = state.SettingsJson,
            Plan = state.Plan,
            ShardsDone = state.Plan is { } plan && state.Stage != CorpusStage.Failed ? plan.Shards - open : 0,
            Totals = state.Stage == CorpusStage.Ready ? state.Ready?.Totals : null,
            Error = state.Error,
            Leases = [.. state.Leases.Select(granted => granted.Lease)],
            Progress = progress,
            UpdatedAt = state.UpdatedAt,
            Ready = state.Ready,
            Asks = state.Asks,
        };
    }

    /// <summary>How far the round is: what its one worker reports, or the shards that are made.</summary>
    public static PreparationStand? Progress(CorpusState state, ImmutableArray<LeaseTaker> workers)
    {
        if (!state.UnderWay)
            return null;
        if (state is { Stage: CorpusStage.Sharding, Plan: { } plan })
            return new PreparationStand("making shards", View(state, progress: null)!.ShardsDone, plan.Shards, "shards");
        return state.Leases is [var only]
            ? workers.SelectMany(worker => worker.Leases).FirstOrDefault(lease => lease.LeaseId == only.Lease.LeaseId)?.Progress
            : null;
    }

    private static CorpusState Begin(CorpusState state) => state with
    {
        Round = state.Round + 1,
        Stage = CorpusStage.Planning,
        Plan = null,
        Error = "",
        Waiting = OneThing,
        Leases = [],
    };

    private static CorpusState Take(CorpusState state, GrantedLease granted, LeaseTaker? worker, DateTimeOffset now, LeaseWatch? watch)
    {
        if (!state.UnderWay)
            return state;
        if (worker is null || worker.Missing.Contains(granted.Lease.LeaseId))
            return GiveBack(state, granted, new WaitingWork(0, 0, granted.Failures, FailedOn: ""));
        var report = worker.Leases.FirstOrDefault(lease => lease.LeaseId == granted.Lease.LeaseId);
        return report switch
        {
            { Condition: LeaseCondition.Done } => Complete(state, granted, report, now),
            { Condition: LeaseCondition.Failed } => Fail(state, granted, report.Error, report.Permanent, now),
            _ when watch?.IsStuck(granted.Lease.LeaseId) == true =>
                Fail(state, granted, $"{Name(granted.Lease)} made no progress for {watch.Patience.TotalMinutes:0.#} min", permanent: false, now),
            _ => state,
        };
    }

    private static CorpusState Complete(CorpusState state, GrantedLease granted, ReportedLease report, DateTimeOffset now)
    {
        var done = state with { Leases = state.Leases.Remove(granted) };
        switch (granted.Lease.Work, report)
        {
            case (LeaseWork.Plan, { Plan: { Existing: { } totals } plan }):
                return done with { Plan = plan, Stage = CorpusStage.Ready, Ready = new ReadyCorpus(state.Round, plan, totals) };
            case (LeaseWork.Plan, { Plan: { Shards: >= 0 } plan }):
                return done with { Plan = plan };
            case (LeaseWork.Manifest, { Totals: { } totals }):
                return done with { Stage = CorpusStage.Ready, Ready = new ReadyCorpus(state.Round, state.Plan!, totals) };
            case (LeaseWork.Shards, _):
                return done;
            default:
                return Fail(state, granted, $"worker {granted.Lease.Worker} says it is done without a result", permanent: false, now);
        }
    }

    private static CorpusState Fail(CorpusState state, GrantedLease granted, string error, bool permanent, DateTimeOffset now)
    {
        var failures = granted.Failures + 1;
        if (!permanent && failures < Tries)
            return GiveBack(state, granted, new WaitingWork(0, 0, failures, granted.Lease.Worker, now + Delays[granted.Failures]));
        var tries = permanent ? "" : $" ({failures} tries, the last on worker {granted.Lease.Worker})";
        return state with { Stage = CorpusStage.Failed, Error = error + tries, Leases = [], Waiting = [] };
    }

    private static string Name(AssignedLease lease) => lease.Work switch
    {
        LeaseWork.Plan => "planning",
        LeaseWork.Manifest => "writing the manifest",
        _ when lease.ShardCount == 1 => $"making shard {lease.FirstShard}",
        _ => $"making shards {lease.FirstShard} to {lease.FirstShard + lease.ShardCount - 1}",
    };

    private static CorpusState GiveBack(CorpusState state, GrantedLease granted, WaitingWork how) => state with
    {
        Leases = state.Leases.Remove(granted),
        Waiting = state.Waiting.Insert(0, how with { FirstShard = granted.Lease.FirstShard, ShardCount = granted.Lease.ShardCount }),
    };

    private static CorpusState NextStage(CorpusState state)
    {
        if (!state.Waiting.IsEmpty || !state.Leases.IsEmpty)
            return state;
        return state.Stage switch
        {
            CorpusStage.Planning when state.Plan!.Shards > 0 =>
                state with { Stage = CorpusStage.Sharding, Waiting = [new WaitingWork(0, state.Plan.Shards, 0, "")] },
            CorpusStage.Planning or CorpusStage.Sharding => state with { Stage = CorpusStage.Finishing, Waiting = OneThing },
            _ => state,
        };
    }

    private static CorpusState NextRound(CorpusState state) =>
        !state.UnderWay && state.Asks.Any(ask => ask.Round > state.Round) ? Begin(state) : state;

    private static CorpusState Grant(CorpusState state, ImmutableArray<LeaseTaker> workers, DateTimeOffset now)
    {
        if (!state.UnderWay || state.Waiting.IsEmpty)
            return state;
        var free = workers.ToDictionary(
            worker => worker.Worker,
            worker => worker.Capacity - state.Leases.Count(granted => granted.Lease.Worker == worker.Worker),
            StringComparer.Ordinal);
        var capacity = Math.Max(1, workers.Sum(worker => worker.Capacity));
        var most = Math.Clamp((state.Plan?.Shards ?? 0) / (4 * capacity), 1, MostShards);
        while (state.Waiting.FirstOrDefault(work => !(work.NotBefore > now)) is { } work && Taker(free, work) is { } worker)
        {
            state = Grant(state, work, worker, Math.Min(work.ShardCount, most));
            free[worker]--;
        }
        return state;
    }

    /// <summary>The worker with the most room, preferably not the one on which the work has failed.</summary>
    private static string? Taker(Dictionary<string, int> free, WaitingWork work) => free
        .Where(worker => worker.Value > 0)
        .OrderBy(worker => worker.Key == work.FailedOn)
        .ThenByDescending(worker => worker.Value)
        .ThenBy(worker => worker.Key, StringComparer.Ordinal)
        .Select(worker => worker.Key)
        .FirstOrDefault();

    private static CorpusState Grant(CorpusState state, WaitingWork work, string worker, int shards)
    {
        var kind = state.Stage switch
        {
            CorpusStage.Planning => LeaseWork.Plan,
            CorpusStage.Sharding => LeaseWork.Shards,
            _ => LeaseWork.Manifest,
        };
        var lease = new AssignedLease(
            $"{state.CorpusId}-{state.Round}-{state.Grants + 1}",
            state.CorpusId,
            worker,
            kind,
            state.SettingsJson,
            state.Plan?.Fingerprint ?? "",
            state.Plan?.Folder ?? "",
            work.FirstShard,
            shards);
        var rest = work.ShardCount > shards
            ? state.Waiting.Replace(work, work with { FirstShard = work.FirstShard + shards, ShardCount = work.ShardCount - shards })
            : state.Waiting.Remove(work);
        return state with { Grants = state.Grants + 1, Waiting = rest, Leases = state.Leases.Add(new GrantedLease(lease, work.Failures)) };
    }
}
