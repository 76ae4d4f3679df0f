using System.Collections.Immutable;
using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Workers;

namespace Linformer.Coordinator.Tests;

/// <summary>
/// Does what an agent does, against the grains: connects, takes assignments up, and reports ranks that are alive and leases that are
/// done at once.
/// </summary>
internal sealed class TestAgent : IAsyncDisposable
{
    private static readonly CorpusTotals Totals = new(3, 1000, 261, 4);

    private readonly TestCluster _cluster;
    private readonly WorkerIdentity _identity;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private Dictionary<(string Job, int Generation), ReportedGroup> _groups = [];
    private ImmutableArray<ReportedLease> _leases = [];
    private long _session;
    private long _revision;
    private bool _draining;
    private Task _loops = Task.CompletedTask;

    private TestAgent(TestCluster cluster, WorkerIdentity identity)
    {
        _cluster = cluster;
        _identity = identity;
    }

    public string Name => _identity.Name;

    /// <summary>Every generation of a job whose ranks it has started.</summary>
    public List<(string Job, int Generation)> Started { get; } = [];

    /// <summary>What it was asked to do and never should have been.</summary>
    public List<string> Violations { get; } = [];

    /// <summary>Works of the leases that it has had.</summary>
    public List<AssignedLease> Leased { get; } = [];

    public static async Task<TestAgent> ConnectAsync(
        TestCluster cluster, string name, int slots = 1, string instance = "first", IEnumerable<ReportedGroup>? groups = null)
    {
        var agent = new TestAgent(cluster, Some.Identity(name, slots, instance));
        foreach (var group in groups ?? [])
            agent._groups[(group.JobId, group.Generation)] = group;
        agent._session = await cluster.Worker(name).Connect(agent._identity, CancellationToken.None);
        await agent.ReportAsync();
        agent._loops = Task.WhenAll(agent.FollowAsync(), agent.BeatAsync());
        return agent;
    }

    /// <summary>Its ranks of a job end.</summary>
    public async Task EndAsync(string job, GroupCondition condition, params FailedRank[] failures)
    {
        lock (_gate)
        {
            var group = _groups.Values.Single(group => group.JobId == job && group.Condition == GroupCondition.Alive);
            _groups[(group.JobId, group.Generation)] = group with { Condition = condition, Failures = [.. failures], Summary = "{}" };
        }
        await ReportAsync();
    }

    /// <summary>Says that it wants to leave.</summary>
    public Task DrainAsync()
    {
        _draining = true;
        return ReportAsync();
    }

    /// <summary>It is not heard of any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loops.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        _stop.Dispose();
    }

    private async Task BeatAsync()
    {
        while (true)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), _stop.Token);
            await ReportAsync();
        }
    }

    private async Task FollowAsync()
    {
        while (true)
        {
            var assignment = await _cluster.Worker(_identity.Name).AssignmentAfter(_session, _revision, _stop.Token);
            if (assignment is null)
                continue;
            TakeUp(assignment);
            await ReportAsync();
        }
    }

    private void TakeUp(WorkerAssignment assignment)
    {
        lock (_gate)
        {
            _revision = assignment.Revision;
            var groups = new Dictionary<(string, int), ReportedGroup>();
            foreach (var group in assignment.Groups)
            {
                var key = (group.JobId, group.Generation);
                if (!_groups.TryGetValue(key, out var known))
                {
                    Started.Add(key);
                    known = new ReportedGroup { JobId = group.JobId, Lineage = group.Lineage, Generation = group.Generation, Condition = GroupCondition.Alive };
                }
                groups[key] = group.Stop && known.Condition == GroupCondition.Alive ? known with { Condition = GroupCondition.Stopped } : known;
            }
            Check(assignment, groups);
            _groups = groups;
            Leased.AddRange(assignment.Leases);
            _leases = [.. assignment.Leases.Select(Done)];
        }
    }

    private void Check(WorkerAssignment assignment, Dictionary<(string Job, int Generation), ReportedGroup> groups)
    {
        var alive = assignment.Groups.Where(group => groups[(group.JobId, group.Generation)].Condition == GroupCondition.Alive).ToList();
        foreach (var slot in alive.SelectMany(group => group.Ranks).GroupBy(rank => rank.Slot).Where(ranks => ranks.Count() > 1))
            Violations.Add($"slot {slot.Key} of {_identity.Name} has {slot.Count()} ranks");
        foreach (var job in assignment.Groups.GroupBy(group => group.JobId).Where(generations => generations.Count() > 1))
            Violations.Add($"job {job.Key} has {job.Count()} generations on {_identity.Name}");
    }

    /// <summary>Its ranks of some job end, if there are any.</summary>
    public async Task EndAnyAsync(Random random, GroupCondition condition)
    {
        lock (_gate)
        {
            var alive = _groups.Values.Where(group => group.Condition == GroupCondition.Alive).ToArray();
            if (alive.Length == 0)
                return;
            var group = alive[random.Next(alive.Length)];
            _groups[(group.JobId, group.Generation)] = group with
            {
                Condition = condition,
                Failures = condition == GroupCondition.Failed ? [Some.Failure(group.Generation)] : [],
                Summary = "{}",
            };
        }
        await ReportAsync();
    }

    private async Task ReportAsync()
    {
        WorkerStatus status;
        lock (_gate)
            status = new WorkerStatus { Groups = [.. _groups.Values], Leases = _leases, AssignmentRevision = _revision, Draining = _draining };
        await _cluster.Worker(_identity.Name).Report(_session, status, CancellationToken.None);
        await _cluster.Scheduler.Poke(CancellationToken.None);
    }

    private static ReportedLease Done(AssignedLease lease) => new()
    {
        LeaseId = lease.LeaseId,
        CorpusId = lease.CorpusId,
        Condition = LeaseCondition.Done,
        Plan = lease.Work == LeaseWork.Plan ? new PlannedCorpus("fingerprint", "cache/f", 4, 261, Existing: null) : null,
        Totals = lease.Work == LeaseWork.Manifest ? Totals : null,
    };
}
